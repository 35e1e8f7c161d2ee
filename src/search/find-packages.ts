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
 * The maximum number of suffixes that the depot reads for one page, so that no search takes long. A page that
 * reaches this limit ends before it is full.
 */
export const MAX_EXAMINED_SUFFIXES = 2_000
const SUFFIXES_IN_A_BATCH = 250

interface FoundPage {
  readonly items: readonly (PackageParts & { readonly id: number })[]
  /**
   * The place after which the next page begins; `undefined` if there are no more packages. It may contain the
   * name of a package that the audience may not see, so the caller must not show it.
   */
  readonly next: SuffixPlace | undefined
}

/**
 * Finds packages that match a search and have a matching visible release. With `viewId`, only releases in
 * that view count. The order follows the longest word of the search: first names that equal it, then origins
 * and names that begin with it, then other words that begin with it, then all other matches. A page may have
 * fewer than `limit` items even if `next` names another page.
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

/** Reports whether a row is the first row of its package in a range. A search skips the other rows. */
function isFirst(row: SuffixRow, range: SuffixRange): boolean {
  const first = firstSuffix(row, range)
  return first?.place === row.at[0] && first.suffix === row.at[1]
}
