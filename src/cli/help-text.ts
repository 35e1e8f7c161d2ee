/** Stands before the parts of a command that continue on the next line. */
const CONTINUATION = '      '

/** Breaks a text between words into lines of at most `width` columns. Longer words stay whole. */
export function breakLines(text: string, width: number): string[] {
  return fill(text.split(/\s+/), width)
}

/**
 * Fits the text below the options of a command into `width` columns. Lines without indentation are
 * paragraphs, which end at an empty line. An example of two spaces and `#` is a comment; other indented lines
 * are commands, which continue after a backslash, so that they can be copied.
 */
export function fitHelp(text: string, width: number): string {
  const fitted: string[] = []
  let paragraph: string[] = []
  for (const line of [...text.split('\n'), undefined]) {
    if (line !== undefined && /^\S/.test(line)) {
      paragraph.push(line)
      continue
    }
    if (paragraph.length > 0) fitted.push(...breakLines(paragraph.join(' '), width))
    paragraph = []
    if (line !== undefined) fitted.push(...fitIndented(line, width))
  }
  return fitted.join('\n')
}

function fitIndented(line: string, width: number): string[] {
  if (line.length <= width) return [line]
  if (line.startsWith('  # ')) return breakLines(line.slice(4), width - 4).map((part) => `  # ${part}`)
  const words = line.trim().match(/(?:"[^"]*"|'[^']*'|\S)+/g) ?? []
  const [first = '', ...others] = fill(words, width - CONTINUATION.length - 2) // of the backslash
  return [`  ${first}`, ...others.map((part) => `${CONTINUATION}${part}`)].map((part, index) =>
    index === others.length ? part : `${part} \\`,
  )
}

/** Joins words to lines of at most `width` columns. */
function fill(words: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
