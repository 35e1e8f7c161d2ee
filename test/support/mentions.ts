/**
 * Matches a text that contains all these names, in any order. For claims about what an error names, not how
 * it says it.
 */
export function mentions(...names: readonly string[]): RegExp {
  const parts = names.map((name) => `(?=[^]*${name.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')})`)
  return new RegExp(`^${parts.join('')}`)
}
