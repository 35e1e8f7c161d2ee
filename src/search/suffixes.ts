import type { PackageParts } from '../package/ident.ts'
import type { PackageQuery } from './package-query.ts'

// The suffixes of `origin/name`, which the table `package_suffixes` stores
// (migrations/sqlite/0033-search.sql).

const MAX_SUFFIX_LENGTH = 32

/**
 * Where a suffix begins in `origin/name`: 0 at the beginning of the origin or the name, 1 at the beginning of
 * another word, 2 within a word. A search lists matches with lower numbers first.
 */
export type Place = 0 | 1 | 2
const PLACES: readonly Place[] = [0, 1, 2]

export interface Suffix {
  readonly place: Place
  /** In lower case, cut to 32 characters. */
  readonly suffix: string
}

/** Returns the distinct suffixes of a package's `origin/name`. */
export function suffixesOf({ origin, name }: PackageParts): Suffix[] {
  const text = textOf({ origin, name })
  const suffixes = Array.from(text, (_, at) => suffixAt(text, at, origin.length + 1))
  return [...new Map(suffixes.map((each) => [`${each.place} ${each.suffix}`, each])).values()]
}

function textOf({ origin, name }: PackageParts): string {
  return `${origin}/${name}`.toLowerCase()
}

function suffixAt(text: string, at: number, nameAt: number): Suffix {
  const place = at === 0 || at === nameAt ? 0 : '-_'.includes(text[at - 1] ?? '/') ? 1 : 2
  return { place, suffix: text.slice(at, at + MAX_SUFFIX_LENGTH) }
}

/** A range of suffixes. It contains at least one suffix of each package that matches the search. */
export interface SuffixRange {
  /** All places if the range comes from a word; otherwise only 0. */
  readonly places: readonly Place[]
  /** Every suffix in the range begins with this text. It is not empty if `places` has all places. */
  readonly beginning: string
  /** Whether every suffix in the range equals `beginning`. */
  readonly isWhole: boolean
}

/**
 * Returns the range of a search. It comes from the field `name` if that is a whole name, otherwise from the
 * longest word, and otherwise from the other fields. The suffix that equals the longest word precedes all
 * other suffixes of its place, so that the best matches come first.
 */
export function rangeOf({ words, fields: { origin, name } }: PackageQuery): SuffixRange {
  const [longest] = words.toSorted((a, b) => b.length - a.length)
  const range = (beginning: string, { places = [0], isWhole = false }: Partial<SuffixRange> = {}) => ({
    places,
    beginning: beginning.slice(0, MAX_SUFFIX_LENGTH),
    isWhole: isWhole && beginning.length < MAX_SUFFIX_LENGTH,
  })
  if (name?.isBeginning === false) {
    const isOfOne = origin?.isBeginning === false
    return range(isOfOne ? `${origin.text}/${name.text}` : name.text, { isWhole: true })
  }
  if (longest !== undefined) return range(longest, { places: PLACES })
  if (origin?.isBeginning === false) return range(`${origin.text}/${name?.text ?? ''}`)
  return range((name ?? origin)?.text ?? '')
}

/** Returns the first suffix of a package in a range, by place and text; `undefined` if there is none. */
export function firstSuffix(parts: PackageParts, range: SuffixRange): Suffix | undefined {
  const text = textOf(parts)
  const nameAt = parts.origin.length + 1
  let first: Suffix | undefined
  for (const at of positionsOf(text, range, nameAt)) {
    const found = suffixAt(text, at, nameAt)
    const { beginning, isWhole } = range
    const isIn = isWhole ? found.suffix === beginning : found.suffix.startsWith(beginning)
    if (isIn && (first === undefined || precedes(found, first))) first = found
  }
  return first
}

/** Returns where suffixes of a range may begin in a text. To make all suffixes would take far longer. */
function positionsOf(text: string, { beginning, places }: SuffixRange, nameAt: number): number[] {
  if (places.length === 1) return [0, nameAt]
  const positions: number[] = []
  for (let at = text.indexOf(beginning); at !== -1; at = text.indexOf(beginning, at + 1)) positions.push(at)
  return positions
}

function precedes(a: Suffix, b: Suffix): boolean {
  return a.place === b.place ? a.suffix < b.suffix : a.place < b.place
}
