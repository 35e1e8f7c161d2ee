import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident, PackageParts } from '../package/ident.ts'
import { NAME_ORDER, ORIGIN_ORDER, countedIn, pageOfIdents } from '../releases/ident-count-store.ts'
import type { Packages, Page, ListScope, Slice } from '../releases/ident-count-store.ts'
import { describePackages } from '../releases/list-store.ts'
import type { ListedPackage } from '../releases/list-store.ts'
import type { Search } from './package-search.ts'
import { matchesSearch } from './words-store.ts'

/** Selects a page of search results, from the whole depot or one view. */
export type SearchSlice = Slice & ListScope

/** Finds the visible idents of matching packages, by text. */
export async function searchIdents(
  db: Db,
  search: Search,
  slice: SearchSlice,
  audience: Audience,
): Promise<Page<Ident>> {
  const found = matchingPackages(db, search).orderBy(ORIGIN_ORDER).orderBy(NAME_ORDER)
  const { items, total } = await pageOfIdents(db, found, slice, audience)
  return { items: items.map(parseIdent), total }
}

/** Finds the matching packages with a visible release, by name and then by origin. */
export async function searchPackages(
  db: Db,
  search: Search,
  { offset, limit, viewId }: SearchSlice,
  audience: Audience,
): Promise<Page<PackageParts>> {
  const matching = countedIn(matchingPackages(db, search), { viewId }, audience)
  const { total } = await matching
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const items = await matching
    .select(['origins.name as origin', 'packages.name'])
    .orderBy('packages.name')
    .orderBy('origins.name')
    .limit(limit)
    .offset(offset)
    .execute()
  return { items, total }
}

/**
 * Finds the same packages as {@link searchPackages}, with their targets and views: those after `after`, which
 * is the last package of the page before.
 */
export async function searchPackagesAfter(
  db: Db,
  search: Search,
  {
    viewId,
    after,
    limit,
  }: ListScope & { after: readonly [name: string, origin: string] | undefined; limit: number },
  audience: Audience,
): Promise<ListedPackage[]> {
  const rows = await countedIn(matchingPackages(db, search), { viewId }, audience)
    .select(['packages.id', 'origins.name as origin', 'packages.name'])
    .$if(after !== undefined, (query) =>
      query.where((eb) =>
        eb(eb.refTuple('packages.name', 'origins.name'), '>', eb.tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .orderBy('packages.name')
    .orderBy('origins.name')
    .limit(limit)
    .execute()
  return describePackages(db, rows, audience)
}

function matchingPackages(db: Db, search: Search): Packages {
  return db
    .selectFrom('packages')
    .crossJoin('origins')
    .whereRef('origins.id', '=', 'packages.origin_id')
    .where((eb) => matchesSearch(eb.ref('packages.id'), search))
}
