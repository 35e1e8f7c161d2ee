import type { PackageName } from '../package/ident.ts'

// Finding packages by the words of their origins and names, as Builder does: all words of the question must be there, the last one
// as a beginning (habitat-today.md 6, Search). This is what every engine must agree on; how one finds is in its own store.

/** What is looked for, in the order it was written. At least one word. */
export interface Search {
  readonly whole: readonly string[]
  readonly beginning: string
}

/** The words of a package's origin and name. Letters of either case are the same. */
export function wordsOf({ origin, name }: Pick<PackageName, 'origin' | 'name'>): string[] {
  return split(`${origin} ${name}`)
}

/** Words that hold no other character than letters, digits and `_`, so that no question is malformed. `undefined` when there are none. */
export function parseSearch(text: string): Search | undefined {
  const words = split(text)
  const beginning = words.pop()
  return beginning === undefined ? undefined : { whole: words, beginning }
}

/** Words end at `-` and `/`, and at everything else that is no letter or digit. */
function split(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []
}
