import type { PackageParts } from '../package/ident.ts'

// The search of Builder, which compares words of origins and names: a package must have all words of the
// search, and a word that begins with the last one (habitat-today.md 6, Search).

/** The maximum number of words of a package. An origin and a name have at most 255 characters each. */
const MAX_WORDS = 256

/** The words of a search, in lower case: distinct whole words, and the beginning of one more word. */
export interface Search {
  readonly whole: readonly string[]
  readonly beginning: string
}

/** Returns the words of a package's origin and name, in lower case. */
export function wordsOf({ origin, name }: PackageParts): string[] {
  return split(`${origin} ${name}`)
}

/**
 * Parses the text of a search. The last word becomes `beginning`. Returns `undefined` if nothing can match:
 * the text has no words, or more words than a package can have.
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
