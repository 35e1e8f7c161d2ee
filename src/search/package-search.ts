import type { PackageParts } from '../package/ident.ts'

// Search for packages by the words of their origins and names, as in Builder: all words must occur, the last
// one as a prefix (habitat-today.md 6, Search).

/** A name of 255 characters, and an origin of as many, have no more words than this. */
const MAX_WORDS = 256

/** The words of a search, each once. There is at least one, and no more than a name can have. */
export interface Search {
  readonly whole: readonly string[]
  readonly beginning: string
}

/** Returns the words of a package's origin and name, in lower case. */
export function wordsOf({ origin, name }: PackageParts): string[] {
  return split(`${origin} ${name}`)
}

/**
 * Splits a text into words of letters, digits and `_`. `undefined` if there are none, or too many for any
 * name.
 */
export function parseSearch(text: string): Search | undefined {
  const words = split(text)
  const beginning = words.pop()
  const whole = [...new Set(words)] // the packages of each word are listed
  return beginning === undefined || whole.length > MAX_WORDS ? undefined : { whole, beginning }
}

/** Splits a text into words, which are runs of letters, digits and `_`. */
function split(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []
}
