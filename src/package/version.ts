import type { Ident } from './ident.ts'

// The order of the releases of a package. Each has a key, a text; the bytewise order of the keys is the order
// of the releases. SQL and this code sort by the key.
//
// The number part of a version is the first run of digits and dots that contains a digit, cut after its last
// digit. The text before it is ignored. The text after it is the suffix; a `-` at its start is dropped,
// unless it is the whole suffix. The numbers of the number part are compared one by one as integers, which
// may have as many digits as an ident may have characters; a missing number counts as 0. Of equal number
// parts, the one without a suffix is higher; suffixes are compared bytewise. A version without digits is
// lower than all others. Among equal versions, the release decides, and then the version's text. This is
// Builder's split and the comparison of `hab`, completed to a total order (habitat-today.md 3.5,
// habitat-2016.md 2.7).
//
//   key     = class numbers suffix ' ' release ' ' version
//   class   = '0' without digits | '1' with
//   numbers = ( length:3 hex digits, the digits )* '!'      no leading zeros, no trailing zero parts
//   suffix  = '~' without | '-' text
//
// Idents hold only bytes from '!' to '~'. So a suffix, which ' ' ends, sorts below every longer suffix that
// begins with it, and numbers, which '!' ends, sort below all longer numbers that begin with them.

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
