/** Longer names have no similar one. This bounds a comparison to a few thousand steps. */
const MAX_COMPARED_LENGTH = 64

/**
 * Returns the known name that the user probably meant, or `undefined` if none is similar. A name is similar
 * if it differs by few typing mistakes: letters that are extra, missing, wrong or swapped. One mistake in
 * four letters is allowed, at least one and at most three. Case, and `_` instead of `-`, are ignored. Among
 * equally similar names, the first wins.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const typed = normalize(name)
  if (typed === '' || typed.length > MAX_COMPARED_LENGTH) return undefined
  let found: string | undefined
  let fewest = Math.min(3, Math.max(1, Math.floor(typed.length / 4))) + 1 // one more than is allowed
  for (const candidate of known) {
    if (Math.abs(candidate.length - typed.length) >= fewest) continue
    const mistakes = countMistakes(typed, normalize(candidate))
    if (mistakes < fewest) [found, fewest] = [candidate, mistakes]
  }
  return found
}

/**
 * Returns a suggestion for the end of a message: `; did you mean union?`, or an empty text if no known name
 * is similar.
 */
export function didYouMean(name: string, known: Iterable<string>): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

function normalize(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Returns the optimal string alignment distance: the fewest mistakes that turn one text into the other. */
function countMistakes(left: string, right: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= right.length; column += 1) {
      const isSame = left[row - 1] === right[column - 1]
      const isSwapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      const [above = 0, aboveLeft = 0, before = 0] = [last[column], last[column - 1], current[column - 1]]
      const swapped = isSwapped ? (beforeLast[column - 2] ?? 0) + 1 : Infinity
      current.push(Math.min(above + 1, before + 1, aboveLeft + Number(!isSame), swapped))
    }
    ;[beforeLast, last] = [last, current]
  }
  return last[right.length] ?? 0
}
