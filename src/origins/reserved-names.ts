import { DepotError, quote } from '../errors.ts'

// Names that only administrators of the depot may give to new origins. A pattern is a name in which `*`
// stands for any text, for example `core`, `acme-*` or `*-internal`.

/** The maximum number of patterns. The depot compares the name of each new origin with all of them. */
export const MAX_RESERVED_PATTERNS = 1_000
const PATTERN = /^[a-z0-9_*-]{1,255}$/

/**
 * Checks patterns, and returns them sorted and without duplicates. Throws `invalid_request` for a malformed
 * pattern, or for more than {@link MAX_RESERVED_PATTERNS}.
 */
export function parsePatterns(texts: readonly string[]): string[] {
  const wrong = texts.find((text) => !PATTERN.test(text))
  if (wrong !== undefined)
    throw new DepotError(
      'invalid_request',
      `${quote(wrong)} is not a pattern of names of origins: lower-case letters, digits, _, - and *, which stands for any text`,
    )
  const patterns = [...new Set(texts)].toSorted()
  if (patterns.length > MAX_RESERVED_PATTERNS)
    throw new DepotError('invalid_request', `a depot has at most ${MAX_RESERVED_PATTERNS} reserved patterns`)
  return patterns
}

/** Returns the first pattern that reserves a name; `undefined` if no pattern does. */
export function reservingPattern(name: string, patterns: readonly string[]): string | undefined {
  return patterns.find((pattern) => matches(name, pattern))
}

/** Searches for each part of a pattern once, from left to right, so that no pattern takes long. */
function matches(name: string, pattern: string): boolean {
  const [beginning = '', ...parts] = pattern.split('*')
  const end = parts.pop()
  if (end === undefined) return name === pattern
  let from = beginning.length
  if (!name.startsWith(beginning) || !name.endsWith(end)) return false
  for (const part of parts) {
    const at = name.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return name.length - end.length >= from
}
