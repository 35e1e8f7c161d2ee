import { sql } from 'kysely'
import type { AliasableExpression, ExpressionBuilder, SelectQueryBuilder } from 'kysely'
import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import { visibleTo } from './visible-store.ts'

// Pages of idents. The table `ident_counts` has the number of idents of each package, in the depot and in
// each view. These numbers give the total of a list and the packages of a page, so only the releases of these
// packages are read.

export interface Page<Item> {
  readonly items: readonly Item[]
  /** The number of items on all pages. */
  readonly total: number
}

/** The place of a page in a list: it begins after `offset` items. */
export interface Slice {
  readonly offset: number
  readonly limit: number
}

/** What a list is about: the members of a view or, without `viewId`, all releases of the depot. */
export interface ListScope {
  readonly viewId?: number | undefined
}

/** The `view_id` of rows in `ident_counts` that count the whole depot. */
export const WHOLE_DEPOT_VIEW_ID = 0

/**
 * Sorts packages like their idents, in which `/` follows the name: `a-b/1` comes before `a/1`. The index
 * `packages_in_order` has this expression.
 */
export const NAME_ORDER = sql<string>`packages.name || '/'`
/** Sorts origins like idents; see {@link NAME_ORDER}. */
export const ORIGIN_ORDER = sql<string>`origins.name || '/'`

/** A query that selects packages. */
export type Packages = SelectQueryBuilder<Schema, 'packages' | 'origins', object>

/**
 * Returns a page of the visible idents of packages, sorted as text. The caller must sort the query `packages`
 * in the order of the page.
 */
export async function pageOfIdents(
  db: Db,
  packages: Packages,
  page: Slice & ListScope & { order?: 'asc' | 'desc' },
  audience: Audience,
): Promise<Page<string>> {
  const { offset, limit, viewId, order = 'asc' } = page
  const counted = countedIn(packages, { viewId }, audience).select((eb) => [
    'packages.id',
    visibleIdents(eb, audience).as('idents'),
  ])
  // Reads the counts as one text, which is cheap to pass between threads. Engines aggregate a sorted subquery
  // in its order.
  const { counts } = await db
    .selectFrom(counted.as('counted'))
    .select(sql<string | null>`string_agg(counted.id || ' ' || counted.idents, ' ')`.as('counts'))
    .executeTakeFirstOrThrow()
  const { total, before, packageIds } = packagesOfPage(counts ?? '', { offset, limit })
  if (packageIds.length === 0) return { items: [], total }
  const rows = await releasesOf(db, packageIds, { viewId })
    .select('releases.ident')
    .where('releases.deleted_at', 'is', null)
    .where((eb) => visibleTo(eb, audience))
    .groupBy('releases.ident')
    .orderBy('releases.ident', order)
    .limit(limit)
    .offset(offset - before)
    .execute()
  return { items: rows.map(({ ident }) => ident), total }
}

/** Restricts a query to the packages that have an ident visible to the audience. */
export function countedIn(
  packages: Packages,
  { viewId = WHOLE_DEPOT_VIEW_ID }: ListScope,
  audience: Audience,
) {
  return packages
    .crossJoin('ident_counts')
    .whereRef('ident_counts.package_id', '=', 'packages.id')
    .where('ident_counts.view_id', '=', viewId)
    .where((eb) => eb(visibleIdents(eb, audience), '>', 0))
}

/**
 * Returns an SQL expression for the number of idents of a package that an audience may see. Deleted releases
 * do not count. Members of the origin see all others. Comparing names of origins is enough, because an origin
 * that has releases cannot be deleted, so nobody else can take its name.
 */
export function visibleIdents(
  eb: ExpressionBuilder<Schema, 'origins' | 'ident_counts'>,
  audience: Audience,
): AliasableExpression<number> {
  if (audience.seesAll) return eb.ref('ident_counts.idents')
  if (audience.origins.length === 0) return eb.ref('ident_counts.public_idents')
  return eb
    .case()
    .when('origins.name', 'in', audience.origins)
    .then(eb.ref('ident_counts.idents'))
    .else(eb.ref('ident_counts.public_idents'))
    .end()
}

/** Selects the releases of packages, in a view or in the depot. */
function releasesOf(db: Db, packageIds: readonly number[], { viewId }: ListScope) {
  if (viewId === undefined)
    return db
      .selectFrom(usingIndex('releases', 'releases_of_package'))
      .where('releases.package_id', 'in', packageIds)
  return db
    .selectFrom(usingIndex('members', 'members_current'))
    .crossJoin('releases')
    .where('members.view_id', '=', viewId)
    .where('members.package_id', 'in', packageIds)
    .where('members.to_revision', 'is', null)
    .whereRef('releases.id', '=', 'members.release_id')
}

/**
 * Parses `package_id count …`. Returns the packages of a page, and in `before` the number of idents that come
 * before the idents of these packages.
 */
function packagesOfPage(
  counts: string,
  { offset, limit }: Slice,
): { total: number; before: number; packageIds: number[] } {
  const numbers = counts === '' ? [] : counts.split(' ')
  const packageIds: number[] = []
  let [total, before] = [0, 0]
  for (let at = 0; at < numbers.length; at += 2) {
    const upTo = total + Number(numbers[at + 1])
    if (upTo <= offset) before = upTo
    else if (total < offset + limit) packageIds.push(Number(numbers[at]))
    total = upTo
  }
  return { total, before, packageIds }
}
