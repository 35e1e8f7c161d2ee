// Takes and formats measurements. A subject and its yardstick take turns, so that other load on the machine
// affects both.

/** A measurement and its yardstick. Numbers are of one operation. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly depot: Spread
  readonly yardstick: Spread & { readonly name: string }
  /** The highest ratio that is acceptable now. */
  readonly goal?: number
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** A measurement with a fixed limit instead of a yardstick. */
export interface Limit {
  readonly name: string
  readonly unit: string
  readonly value: number
  readonly max: number
}

export interface Results {
  readonly measurements: readonly Measurement[]
  readonly limits: readonly Limit[]
  /** What could not be measured, and the reason. */
  readonly missing: readonly string[]
  /** Remarks, for example the best ratio that is possible on this machine. */
  readonly notes?: readonly string[]
}

export function joinResults(results: readonly Results[]): Results {
  return {
    measurements: results.flatMap((each) => each.measurements),
    limits: results.flatMap((each) => each.limits),
    missing: results.flatMap((each) => each.missing),
    notes: results.flatMap((each) => each.notes ?? []),
  }
}

/** Measures each side `rounds` times, in turns: A B A B …. */
export async function byTurns<Side extends string, Sample>(
  rounds: number,
  sides: Readonly<Record<Side, () => Promise<Sample>>>,
): Promise<Record<Side, Sample[]>> {
  const taken = Object.entries<() => Promise<Sample>>(sides).map(([side, take]) => ({
    side,
    take,
    samples: [] as Sample[],
  }))
  for (let round = 0; round < rounds; round += 1) {
    for (const { take, samples } of taken) samples.push(await take())
  }
  return Object.fromEntries(taken.map(({ side, samples }) => [side, samples])) as Record<Side, Sample[]>
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

/** Formats results as Markdown. */
export function formatResults({ measurements, limits, missing, notes = [] }: Results): string {
  const rows = measurements.map(({ name, unit, depot, yardstick, goal }) => {
    const ratio = depot.median / yardstick.median
    const end = goal === undefined ? '' : `≤ ${goal.toFixed(2)}${ratio > goal ? ' missed' : ''}`
    return [name, unit, formatSpread(depot), formatSpread(yardstick), yardstick.name, ratio.toFixed(2), end]
  })
  const parts =
    rows.length === 0
      ? []
      : [table(['measurement', 'unit', 'depot', 'yardstick', 'yardstick is', 'ratio', 'goal'], rows)]
  if (limits.length > 0) {
    parts.push(
      table(
        ['limit', 'unit', 'depot', 'most'],
        limits.map(({ name, unit, value, max }) => [
          name,
          unit,
          Math.max(0, value).toFixed(0),
          `< ${max}${value < max ? '' : ' missed'}`,
        ]),
      ),
    )
  }
  if (missing.length > 0) parts.push(missing.map((line) => `- ${line}\n`).join(''))
  if (notes.length > 0) parts.push(notes.map((line) => `- ${line}\n`).join(''))
  return parts.join('\n')
}

function formatSpread({ median, min, max }: Spread): string {
  const digits = median < 10 ? 2 : median < 100 ? 1 : 0
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('')
}
