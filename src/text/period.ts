const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** Longer periods are refused: a date so far away could not be told. */
const MAX_MS = 999_999 * 604_800_000

/** Parses a period such as `90s`, `30m`, `6h`, `2d`, `1w` or `0` to milliseconds. */
export function parsePeriod(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text === '0' ? '0s' : text) ?? []
  const ms = count === undefined || unit === undefined ? NaN : Number(count) * (UNIT_MS[unit] ?? 0)
  return ms <= MAX_MS ? ms : undefined
}

/**
 * Reports whether a text such as `2026-02-28` or `2026-02-28T12:00:00Z` begins with a day that exists.
 * `Date.parse` accepts February 31 and returns March 3.
 */
export function beginsWithRealDay(text: string): boolean {
  const day = text.slice(0, 10)
  const at = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 10) === day
}
