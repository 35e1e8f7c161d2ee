import type { Ident } from './ident.ts'

// The order of versions as a key: a text whose byte order is the order of releases. SQL and this code sort by
// it.
//
// The number part of a version is its first run of digits and dots that holds a digit, up to the last digit;
// what stands before it is dropped; the rest is the suffix, less one leading `-` if more follows. Number
// parts compare as integers of any length, padded with zeros; no suffix beats a suffix; suffixes compare
// bytewise; a version without digits is lowest of all. Then the release decides, then the version's text.
// This is Builder's split with the comparison of `hab`, made total (habitat-today.md 3.5, habitat-2016.md
// 2.7).
//
//   key     = class numbers suffix ' ' release ' ' version
//   class   = '0' without digits | '1' with
//   numbers = ( length:3 hex digits, the digits )* '!'      no leading zeros, no trailing zero parts
//   suffix  = '~' without | '-' text
//
// Idents hold only bytes from '!' to '~', so ' ' ends a suffix below every longer one, and '!' ends numbers
// below any digit.

/** Returns the sort key of a release within its package. */
export function orderKey(ident: Pick<Ident, 'version' | 'release'>): string {
  return `${versionKey(ident.version)} ${ident.release} ${ident.version}`
}

/** Returns a negative number if `a` is lower, and zero only if both are the same text. */
export function compareReleases(
  a: Pick<Ident, 'version' | 'release'>,
  b: Pick<Ident, 'version' | 'release'>,
): number {
  const left = orderKey(a)
  const right = orderKey(b)
  return left < right ? -1 : left > right ? 1 : 0
}

function versionKey(version: string): string {
  const run = /[\d.]*\d/.exec(version)
  if (run === null) return '0!~'
  const numbers = run[0].split('.').map((part) => part.replace(/^0+/, ''))
  while (numbers.at(-1) === '') numbers.pop()
  const rest = version.slice(run.index + run[0].length)
  const suffix = rest.length > 1 && rest.startsWith('-') ? rest.slice(1) : rest
  return `1${numbers.map(numberKey).join('')}!${suffix === '' ? '~' : `-${suffix}`}`
}

function numberKey(digits: string): string {
  return digits.length.toString(16).padStart(3, '0') + digits
}
