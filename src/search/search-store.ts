import type { ExpressionBuilder } from 'kysely'
import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident, PackageName } from '../package/ident.ts'
import { pageOfIdents } from '../releases/list-store.ts'
import type { Page, Slice } from '../releases/list-store.ts'
import { hasVisible, visibleTo } from '../releases/visible-store.ts'
import type { Search } from './package-search.ts'
import { isFound } from './words-store.ts'

/** A page of search results, from the whole depot or one view. */
export interface SearchSlice extends Slice {
  readonly viewId?: number | undefined
}

/** Finds the matching idents, by text. */
export async function searchIdents(
  db: Db,
  search: Search,
  { viewId, ...slice }: SearchSlice,
  audience: Audience,
): Promise<Page<Ident>> {
  // The index keeps the query from reading large rows with manifests.
  const matching = db
    .selectFrom(usingIndex('releases', 'releases_of_package'))
    .where('releases.deleted_at', 'is', null)
    .where((eb) => visibleTo(eb, audience))
    .where((eb) => isFound(eb.ref('releases.package_id'), search))
    .$if(viewId !== undefined, (query) => query.where((eb) => eb.exists(membershipIn(eb, viewId ?? 0))))
  const { items, total } = await pageOfIdents(matching, slice)
  return { items: items.map(parseIdent), total }
}

/** Finds the matching packages with a visible release, by name and then by origin. */
export async function searchPackages(
  db: Db,
  search: Search,
  { offset, limit, viewId }: SearchSlice,
  audience: Audience,
): Promise<Page<Pick<PackageName, 'origin' | 'name'>>> {
  const matching = db
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .where((eb) => isFound(eb.ref('packages.id'), search))
    .where((eb) =>
      viewId === undefined ? hasVisible(eb, audience) : eb.exists(visibleMembersIn(eb, viewId, audience)),
    )
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

function membershipIn(eb: ExpressionBuilder<Schema, 'releases'>, viewId: number) {
  return eb
    .selectFrom(usingIndex('members', 'members_by_release'))
    .select('members.release_id')
    .whereRef('members.release_id', '=', 'releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
}

function visibleMembersIn(eb: ExpressionBuilder<Schema, 'packages'>, viewId: number, audience: Audience) {
  return eb
    .selectFrom(usingIndex('members', 'members_current'))
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .select('members.release_id')
    .where('members.view_id', '=', viewId)
    .whereRef('members.package_id', '=', 'packages.id')
    .where('members.to_revision', 'is', null)
    .where('releases.deleted_at', 'is', null)
    .where((inner) => visibleTo(inner, audience))
}
