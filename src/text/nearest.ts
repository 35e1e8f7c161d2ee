/** Longer names are not compared, so that one comparison costs at most some thousand steps. */
const LONGEST_COMPARED = 64

/**
 * The known name that was probably meant, or `undefined` where none is near. Near are names that differ by few typing mistakes (a letter
 * too many, too few, wrong, or two that changed places): one in four letters, at least one and at most three. Case and `_` for `-` count
 * as no mistake. Of several names that are equally near, the first one wins.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const typed = normalize(name)
  if (typed === '' || typed.length > LONGEST_COMPARED) return undefined
  let found: string | undefined
  let fewest = Math.min(3, Math.max(1, Math.floor(typed.length / 4))) + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - typed.length) >= fewest) continue
    const mistakes = countMistakes(typed, normalize(candidate))
    if (mistakes < fewest) [found, fewest] = [candidate, mistakes]
  }
  return found
}

/** `; did you mean union?`, or nothing where no known name is near. For the end of a message. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

function normalize(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** The optimal string alignment distance. */
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
