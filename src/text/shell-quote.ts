// Texts in commands that people copy to a shell. A version may have the characters `$ & ; ( )` and `'`, so
// that an ident that is pasted as it is could run a command.

/** Words that every shell takes as they are. */
const PLAIN = /^\w[\w.,/:@%+=-]*$/

/** Quotes a text for a shell. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Returns a text as one word for a shell, with quotes only if it needs them. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : shellQuote(text)
}
