import type { PackageParts } from '../package/ident.ts'

// Search for packages by the words of their origins and names, as in Builder: all words must occur, the last
// one as a prefix (habitat-today.md 6, Search).

/** No package has more words: an origin and a name have at most 255 characters each. */
const MAX_WORDS = 256

/** The words of a search: `whole` are whole words, each once; `beginning` is the beginning of a word. */
export interface Search {
  readonly whole: readonly string[]
  readonly beginning: string
}

/** Returns the words of a package's origin and name, in lower case. */
export function wordsOf({ origin, name }: PackageParts): string[] {
  return split(`${origin} ${name}`)
}

/**
 * Parses the text of a search; its last word is a beginning. Returns `undefined` if it has no words, or more
 * than any package has.
 */
export function parseSearch(text: string): Search | undefined {
  const words = split(text)
  const beginning = words.pop()
  const whole = [...new Set(words)] // the database looks up each word
  return beginning === undefined || whole.length > MAX_WORDS ? undefined : { whole, beginning }
}

/** Splits a text into words, which are runs of letters, digits and `_`. */
function split(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []
}
