/** A Handlebars tag, as Habitat renders them in hooks: `{{{x}}}`, `{{!-- x --}}`, `{{! x }}` or `{{x}}`. */
const TAG = /\{\{\{[^{}]*\}\}\}|\{\{~?!--[\s\S]*?--~?\}\}|\{\{[^{}]*\}\}/g
const SHEBANG = '#!'
/** Tags that print nothing: blocks, comments, partials. */
const SILENT = /^\{\{~?\s*(?:[#/^!>]|else\b)/

/**
 * Replaces the tags of a hook by text of the same length that a shell can parse, so that lines and columns
 * stay. Tags that print something become a word, and others become spaces.
 */
export function fillTemplate(text: string): { text: string; hasTags: boolean } {
  let hasTags = false
  const filled = text.replaceAll(TAG, (tag, offset: number) => {
    hasTags = true
    const word = tag.replaceAll(/[^\n]/g, SILENT.test(tag) ? ' ' : 'x')
    return offset === SHEBANG.length && text.startsWith(SHEBANG) ? `/${word.slice(1)}` : word // a path
  })
  return { text: filled, hasTags }
}
