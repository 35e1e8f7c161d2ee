const GAP = '  '
/** Columns are not cut to less than this many characters, even if the rows are then too long. */
const MIN_CUT_WIDTH = 8

/**
 * Formats rows as aligned columns under a heading. Writes `-` for empty cells, and makes the others {@link
 * printable}. Cuts the widest columns until rows fit into `width` characters.
 */
export function formatColumns(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): string {
  const cells = [heading, ...rows].map((row) => row.map((cell) => (cell === '' ? '-' : printable(cell))))
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  narrow(widths, width - GAP.length * (heading.length - 1))
  return cells
    .map((row) =>
      row
        .map((cell, column) => cut(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n')
}

/**
 * Replaces control and bidirectional characters by `?`, so that text from clients cannot manipulate a
 * terminal.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}

/** Reduces the largest widths until their sum is at most `max`. */
function narrow(widths: number[], max: number): void {
  for (let excess = widths.reduce((sum, each) => sum + each, 0) - max; excess > 0;) {
    const [widest = 0, second = 0] = widths.toSorted((a, b) => b - a)
    if (widest <= MIN_CUT_WIDTH) return
    const next = Math.max(second === widest ? widest - 1 : second, widest - excess, MIN_CUT_WIDTH)
    widths[widths.indexOf(widest)] = next
    excess -= widest - next
  }
}

function cut(cell: string, width: number): string {
  return cell.length <= width ? cell : `${cell.slice(0, width - 1)}…`
}

/** Formats epoch milliseconds as RFC 3339 in UTC with whole seconds. `undefined` gives an empty text. */
export function formatTime(at: number | undefined): string {
  return at === undefined ? '' : `${new Date(at).toISOString().slice(0, 19)}Z`
}

/** Removes the milliseconds from the times of the API in a text for people. */
export function wholeSeconds(text: string): string {
  return text.replaceAll(/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d{3}Z/g, '$1Z')
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** Formats a number of bytes with one decimal, for example `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power] ?? ''}`
}
