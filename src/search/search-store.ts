import type { Expression, ExpressionBuilder, SqlBool } from 'kysely'
import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Schema } from '../database/schema.ts'
import { parseIdent } from '../package/ident.ts'
import type { Ident, PackageParts } from '../package/ident.ts'
import { NAME_ORDER, ORIGIN_ORDER, countedIn, pageOfIdents } from '../releases/ident-count-store.ts'
import type { Packages, Page, ListScope, Slice } from '../releases/ident-count-store.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from '../releases/visible-store.ts'
import type { FieldValue, PackageQuery } from './package-query.ts'
import type { Search } from './package-search.ts'
import { matchesSearch } from './words-store.ts'

/** Selects a page of search results. With `viewId`, only releases in that view count. */
export type SearchSlice = Slice & ListScope

/** Returns a page of the visible idents of matching packages, sorted by text. */
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

/** Returns a page of matching packages that have a visible release, sorted by name and then by origin. */
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
 * Returns the ids of the given packages that have a visible release with the `version`, `target` and
 * `signed-by` of a search. One release must have all three. With `viewId`, only releases in that view count.
 */
export async function listMatching(
  db: Db,
  packages: readonly { readonly id: number }[],
  { query: { fields }, viewId }: { query: PackageQuery } & ListScope,
  audience: Audience,
): Promise<ReadonlySet<number>> {
  if (packages.length === 0) return new Set()
  const asksForReleases = [fields.version, fields.target, fields['signed-by']].some((field) => field)
  const visible = db
    .selectFrom('packages')
    .crossJoin('origins')
    .whereRef('origins.id', '=', 'packages.origin_id')
    .where(
      'packages.id',
      'in',
      packages.map(({ id }) => id),
    )
  const rows = await countedIn(visible, { viewId }, audience)
    .select('packages.id')
    .$if(asksForReleases, (select) => select.where((eb) => hasRelease(eb, { fields, viewId }, audience)))
    .execute()
  return new Set(rows.map(({ id }) => id))
}

/** Returns an SQL condition on `packages`: one visible release, in the view if given, has all fields. */
function hasRelease(
  eb: ExpressionBuilder<Schema, 'packages'>,
  { fields: { version, target, 'signed-by': signer }, viewId }: Pick<PackageQuery, 'fields'> & ListScope,
  audience: Audience,
): Expression<SqlBool> {
  return eb.exists(
    eb
      .selectFrom(usingIndex('releases', 'releases_searched'))
      .select('releases.id')
      .whereRef('releases.package_id', '=', 'packages.id')
      .where('releases.deleted_at', 'is', null)
      .where((inner) => visibleTo(inner, audience))
      .$if(version !== undefined, (query) => query.where((inner) => isValue(inner, 'version', version)))
      .$if(signer !== undefined, (query) =>
        query.where((inner) => isValue(inner, 'signer', signer)).where('releases.is_verified', '=', 1),
      )
      .$if(target !== undefined, (query) => query.where('releases.target', '=', target?.text as Target))
      .$if(viewId !== undefined, (query) =>
        query.where((inner) =>
          inner.exists(
            inner
              .selectFrom(usingIndex('members', 'members_by_release'))
              .select('members.release_id')
              .whereRef('members.release_id', '=', 'releases.id')
              .where('members.view_id', '=', viewId ?? 0)
              .where('members.to_revision', 'is', null),
          ),
        ),
      ),
  )
}

function isValue(
  eb: ExpressionBuilder<Schema, 'releases'>,
  column: 'version' | 'signer',
  { text, isBeginning }: FieldValue = { text: '', isBeginning: true },
): Expression<SqlBool> {
  const value = eb.ref(`releases.${column}`)
  return isBeginning
    ? eb.and([eb(value, '>=', text), eb(value, '<', `${text}${LAST_CHARACTER}`)])
    : eb(value, '=', text)
}

/** The character that sorts after all others. */
const LAST_CHARACTER = '\u{10FFFF}'

function matchingPackages(db: Db, search: Search): Packages {
  return db
    .selectFrom('packages')
    .crossJoin('origins')
    .whereRef('origins.id', '=', 'packages.origin_id')
    .where((eb) => matchesSearch(eb.ref('packages.id'), search))
}
