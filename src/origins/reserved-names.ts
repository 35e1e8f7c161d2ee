import { DepotError, quote } from '../errors.ts'

// Names that only administrators of the depot may give to new origins. A pattern is a name in which `*`
// stands for any text, for example `core`, `acme-*` or `*-internal`.

/** The maximum number of patterns, which are all compared with the name of each new origin. */
export const MAX_RESERVED_PATTERNS = 1_000
const PATTERN = /^[a-z0-9_*-]{1,255}$/

/** Returns the patterns, each once and in order. Throws `invalid_request`. */
export function parsePatterns(texts: readonly string[]): string[] {
  const wrong = texts.find((text) => !PATTERN.test(text))
  if (wrong !== undefined)
    throw new DepotError(
      'invalid_request',
      `${quote(wrong)} is not a pattern of names of origins: lower-case letters, digits, _, - and *, which stands for any text`,
    )
  const patterns = [...new Set(texts)].toSorted()
  if (patterns.length > MAX_RESERVED_PATTERNS)
    throw new DepotError('invalid_request', `a depot has at most ${MAX_RESERVED_PATTERNS} reserved patterns`)
  return patterns
}

/** Finds the first pattern that a name matches. */
export function reservingPattern(name: string, patterns: readonly string[]): string | undefined {
  return patterns.find((pattern) => matches(name, pattern))
}

/** Compares from left to right, so the time is that of one search for each part, whatever the pattern. */
function matches(name: string, pattern: string): boolean {
  const [beginning = '', ...parts] = pattern.split('*')
  const end = parts.pop()
  if (end === undefined) return name === pattern
  let from = beginning.length
  if (!name.startsWith(beginning) || !name.endsWith(end)) return false
  for (const part of parts) {
    const at = name.indexOf(part, from)
    if (at === -1) return false
    from = at + part.length
  }
  return name.length - end.length >= from
}
