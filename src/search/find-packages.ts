import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { PackageParts } from '../package/ident.ts'
import { matchesQuery } from './package-query.ts'
import type { PackageQuery } from './package-query.ts'
import { listMatching } from './search-store.ts'
import { firstSuffix, rangeOf } from './suffixes.ts'
import type { SuffixRange } from './suffixes.ts'
import { listSuffixes } from './suffix-store.ts'
import type { SuffixPlace, SuffixRow } from './suffix-store.ts'

/**
 * The maximum number of suffixes that one page of a search looks at. Then the page ends, even if it is not
 * full, so that no search takes long.
 */
export const MAX_EXAMINED_SUFFIXES = 2_000
const SUFFIXES_IN_A_BATCH = 250

interface FoundPage {
  readonly items: readonly (PackageParts & { readonly id: number })[]
  /** The place after which the next page begins, if there may be one. It may tell of hidden packages. */
  readonly next: SuffixPlace | undefined
}

/**
 * Finds packages with a visible release that matches a search; with `viewId`, in this view. Packages whose
 * names are the longest word of the search come first, then those whose origins or names begin with it, then
 * others whose words do, and then all others. A page may have fewer items than `limit` although there are
 * more.
 */
export async function findPackages(
  db: Db,
  query: PackageQuery,
  { viewId, after, limit }: { viewId: number | undefined; after: SuffixPlace | undefined; limit: number },
  audience: Audience,
): Promise<FoundPage> {
  const range = rangeOf(query)
  const items: SuffixRow[] = []
  let examined = 0
  for (const place of range.places.filter((each) => after === undefined || each >= after[0])) {
    let last = after
    for (;;) {
      const batch = await listSuffixes(db, range, { place, after: last, limit: SUFFIXES_IN_A_BATCH })
      const candidates = batch.filter((row) => matchesQuery(row, query) && isFirst(row, range))
      const matching = await listMatching(db, candidates, { query, viewId }, audience)
      items.push(...candidates.filter(({ id }) => matching.has(id)))
      if (items.length > limit) return { items: items.slice(0, limit), next: items[limit - 1]?.at }
      last = batch.at(-1)?.at
      if (batch.length < SUFFIXES_IN_A_BATCH) break
      examined += batch.length
      if (examined >= MAX_EXAMINED_SUFFIXES) return { items, next: last }
    }
  }
  return { items, next: undefined }
}

/** Reports whether a row is the first of its package in a range. A search passes the others by. */
function isFirst(row: SuffixRow, range: SuffixRange): boolean {
  const first = firstSuffix(row, range)
  return first?.place === row.at[0] && first.suffix === row.at[1]
}
