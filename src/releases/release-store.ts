import type { Expression, ExpressionBuilder, SqlBool } from 'kysely'
import { EVERYONE } from '../accounts/access.ts'
import type { Audience } from '../accounts/access.ts'
import type { Db } from '../database/database.ts'
import type { ReleasesTable, Schema } from '../database/schema.ts'
import { formatIdent, parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import { DEFAULT_TARGET } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { orderKey } from '../package/version.ts'
import type { ViewRule } from '../views/view.ts'
import type { Release } from './release.ts'

/** One line of a list: an ident, the targets it was published for, and the open views any of them is in. */
export interface ListedIdent {
  readonly ident: Ident
  readonly targets: readonly Target[]
  readonly views: readonly string[]
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** How many there are on all pages. */
  readonly total: number
}

/** `origin`, `origin/name` or `origin/name/version`, as it stood in a URL: an unknown or impossible one matches nothing. */
export type IdentPrefix = readonly string[]

/** A release that the audience may see. Without a target, that for `x86_64-linux` or, failing it, the first by name. */
export async function findRelease(db: Db, ident: string, target: Target | undefined, audience: Audience): Promise<Release | undefined> {
  const rows = await visible(db, audience)
    .selectAll('releases')
    .where('releases.ident', '=', ident)
    .$if(target !== undefined, (query) => query.where('releases.target', '=', target ?? DEFAULT_TARGET))
    .orderBy('releases.target')
    .execute()
  const row = rows.find((candidate) => candidate.target === DEFAULT_TARGET) ?? rows[0]
  return row && releaseOf(row)
}

/** Whether an ident is taken for a target, or for any, whoever may see it. */
export async function releaseExists(db: Db, ident: string, target: Target | undefined): Promise<boolean> {
  const row = await db
    .selectFrom('releases')
    .select('id')
    .where('ident', '=', ident)
    .where('deleted_at', 'is', null)
    .$if(target !== undefined, (query) => query.where('target', '=', target ?? DEFAULT_TARGET))
    .executeTakeFirst()
  return row !== undefined
}

/** The targets an ident was published for, by name, as far as the audience may know. */
export async function listTargets(db: Db, ident: string, audience: Audience = EVERYONE): Promise<Target[]> {
  const rows = await visible(db, audience).select('releases.target').where('releases.ident', '=', ident).orderBy('releases.target').execute()
  return rows.map((row) => row.target)
}

/** What `latest` of a package, or of one version of it, is in a view to this audience (DESIGN: the rules of views). */
export async function findLatest(
  db: Db,
  asked: { view: { id: number; rule: ViewRule }; origin: string; name: string; version: string | undefined; target: Target },
  audience: Audience,
): Promise<Release | undefined> {
  const { view, version } = asked
  const members = db
    .selectFrom('members')
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .innerJoin('packages', 'packages.id', 'members.package_id')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .selectAll('releases')
    .where('members.view_id', '=', view.id)
    .where('members.to_revision', 'is', null)
    .where('origins.name', '=', asked.origin)
    .where('packages.name', '=', asked.name)
    .where('releases.target', '=', asked.target)
    .$if(version !== undefined, (query) => query.where('releases.version', '=', version ?? ''))
    .limit(1)
  if (view.rule === 'promoted') {
    const row = await members.orderBy('members.from_revision', 'desc').orderBy('members.position', 'desc').executeTakeFirst()
    return row !== undefined && maySee(row, asked.origin, audience) ? releaseOf(row) : undefined
  }
  const row = await members
    .$if(!audience.seesAll && !audience.origins.includes(asked.origin), (query) => query.where('releases.visibility', '=', 'public'))
    .orderBy('releases.order_key', 'desc')
    .executeTakeFirst()
  return row && releaseOf(row)
}

/** Whether a release is a current member of the view of this name. */
export async function isInView(db: Db, view: string, releaseId: number): Promise<boolean> {
  const row = await db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .select('members.from_revision')
    .where('members.release_id', '=', releaseId)
    .where('views.name', '=', view)
    .where('members.to_revision', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

/** The open views a release is in, by name descending: since which revision, and the times a Habitat client is shown. */
export async function listViewsOf(db: Db, releaseId: number): Promise<{ name: string; revision: number; promotedAt: number; channelCreatedAt: number }[]> {
  const rows = await db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .innerJoin('packages', 'packages.id', 'members.package_id')
    .innerJoin('ledger', (on) => on.onRef('ledger.view_id', '=', 'members.view_id').onRef('ledger.revision', '=', 'members.from_revision'))
    .leftJoin('channels', (on) => on.onRef('channels.view_id', '=', 'members.view_id').onRef('channels.origin_id', '=', 'packages.origin_id'))
    .select(['views.name', 'members.from_revision', 'ledger.at', 'channels.created_at', 'views.created_at as view_created_at'])
    .where('members.release_id', '=', releaseId)
    .where('members.to_revision', 'is', null)
    .orderBy('views.name', 'desc')
    .execute()
  return rows.map((row) => ({ name: row.name, revision: row.from_revision, promotedAt: row.at, channelCreatedAt: row.created_at ?? row.view_created_at }))
}

/** What has been published below a prefix, one line per ident, by ident text descending, as Builder lists it. */
export async function listIdents(db: Db, prefix: IdentPrefix, page: { offset: number; limit: number }, audience: Audience): Promise<Page<ListedIdent>> {
  const matching = below(visible(db, audience), prefix)
  const { total } = await matching.select((eb) => eb.fn.count<number>('releases.ident').distinct().as('total')).executeTakeFirstOrThrow()
  const idents = await matching
    .select('releases.ident')
    .groupBy('releases.ident')
    .orderBy('releases.ident', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute()
  const found = await describeIdents(db, idents.map((row) => row.ident), audience)
  return { items: found, total }
}

/** The idents of a view's members below a prefix, by ident text ascending. */
export async function listIdentsInView(db: Db, viewId: number, prefix: IdentPrefix, page: { offset: number; limit: number }, audience: Audience): Promise<Page<Ident>> {
  const matching = below(visible(db, audience), prefix)
    .innerJoin('members', 'members.release_id', 'releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
  const { total } = await matching.select((eb) => eb.fn.count<number>('releases.ident').distinct().as('total')).executeTakeFirstOrThrow()
  const rows = await matching
    .select('releases.ident')
    .groupBy('releases.ident')
    .orderBy('releases.ident')
    .limit(page.limit)
    .offset(page.offset)
    .execute()
  return { items: rows.map((row) => parseIdent(row.ident)), total }
}

export async function findPackageId(db: Db, originId: number, name: string): Promise<number | undefined> {
  const row = await db.selectFrom('packages').select('id').where('origin_id', '=', originId).where('name', '=', name).executeTakeFirst()
  return row?.id
}

export async function insertPackage(db: Db, originId: number, name: string): Promise<number> {
  const { id } = await db.insertInto('packages').values({ origin_id: originId, name }).returning('id').executeTakeFirstOrThrow()
  return id
}

/** The type of the releases a package has so far. */
export async function findPackageType(db: Db, packageId: number): Promise<Release['packageType'] | undefined> {
  const row = await db.selectFrom('releases').select('package_type').where('package_id', '=', packageId).where('deleted_at', 'is', null).limit(1).executeTakeFirst()
  return row?.package_type
}

/** Notes that the bytes of a checksum are there and needed. */
export async function referenceBlob(db: Db, blob: { checksum: string; sizeBytes: number; at: number }): Promise<void> {
  await db
    .insertInto('blobs')
    .values({ checksum: blob.checksum, size_bytes: blob.sizeBytes, created_at: blob.at, unreferenced_since: null })
    .onConflict((conflict) => conflict.column('checksum').doUpdateSet({ unreferenced_since: null }))
    .execute()
}

export async function isBlobReferenced(db: Db, checksum: string): Promise<boolean> {
  const row = await db.selectFrom('releases').select('id').where('checksum', '=', checksum).where('deleted_at', 'is', null).limit(1).executeTakeFirst()
  return row !== undefined
}

export async function insertRelease(db: Db, packageId: number, release: Omit<Release, 'id'>): Promise<number> {
  const { id } = await db
    .insertInto('releases')
    .values({
      package_id: packageId,
      ident: formatIdent(release.ident),
      target: release.target,
      version: release.ident.version,
      order_key: orderKey(release.ident),
      visibility: release.visibility,
      checksum: release.checksum,
      size_bytes: release.sizeBytes,
      signer: release.signer,
      is_verified: release.isVerified ? 1 : 0,
      publisher_id: release.publisherId,
      package_type: release.packageType,
      svc_user: release.svcUser ?? null,
      svc_group: release.svcGroup ?? null,
      created_at: release.createdAt,
      updated_at: release.updatedAt,
      deleted_at: null,
      exposes: JSON.stringify(release.exposes),
      deps: JSON.stringify(release.deps),
      tdeps: JSON.stringify(release.tdeps),
      build_deps: JSON.stringify(release.buildDeps),
      build_tdeps: JSON.stringify(release.buildTdeps),
      config: release.config,
      manifest: release.manifest,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Whether an audience may know of a release: a condition on `releases`, for queries of any store. */
export function visibleTo(eb: ExpressionBuilder<Schema, 'releases'>, audience: Audience): Expression<SqlBool> {
  if (audience.seesAll) return eb.lit(true)
  const isPublic = eb('releases.visibility', '=', 'public')
  if (audience.origins.length === 0) return isPublic
  const theirs = eb
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select('packages.id')
    .where('origins.name', 'in', audience.origins)
  return eb.or([isPublic, eb('releases.package_id', 'in', theirs)])
}

function visible(db: Db, audience: Audience) {
  const releases = db.selectFrom('releases').where('releases.deleted_at', 'is', null)
  return audience.seesAll ? releases : releases.where((eb) => visibleTo(eb, audience))
}

function maySee(row: { visibility: string }, origin: string, audience: Audience): boolean {
  return row.visibility === 'public' || audience.seesAll || audience.origins.includes(origin)
}

/** Idents below a prefix are one range of the index on `ident`: from `prefix/` to before `prefix0`, `0` being what follows `/`. */
function below(query: ReturnType<typeof visible>, prefix: IdentPrefix): ReturnType<typeof visible> {
  const text = prefix.join('/')
  return query.where('releases.ident', '>', `${text}/`).where('releases.ident', '<', `${text}0`)
}

async function describeIdents(db: Db, idents: readonly string[], audience: Audience): Promise<ListedIdent[]> {
  if (idents.length === 0) return []
  const rows = await visible(db, audience)
    .leftJoin('members', (on) => on.onRef('members.release_id', '=', 'releases.id').on('members.to_revision', 'is', null))
    .leftJoin('views', 'views.id', 'members.view_id')
    .select(['releases.ident', 'releases.target', 'views.name as view'])
    .where('releases.ident', 'in', idents)
    .execute()
  return idents.map((text) => {
    const mine = rows.filter((row) => row.ident === text)
    const names = mine.flatMap((row) => row.view ?? [])
    return { ident: parseIdent(text), targets: [...new Set(mine.map((row) => row.target))].toSorted(), views: [...new Set(names)].toSorted() }
  })
}

function releaseOf(row: Omit<ReleasesTable, 'id'> & { id: number }): Release {
  return {
    id: row.id,
    ident: parseIdent(row.ident),
    target: row.target,
    visibility: row.visibility,
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    signer: row.signer,
    isVerified: row.is_verified === 1,
    publisherId: row.publisher_id,
    packageType: row.package_type,
    svcUser: row.svc_user ?? undefined,
    svcGroup: row.svc_group ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    exposes: JSON.parse(row.exposes) as number[],
    deps: JSON.parse(row.deps) as string[],
    tdeps: JSON.parse(row.tdeps) as string[],
    buildDeps: JSON.parse(row.build_deps) as string[],
    buildTdeps: JSON.parse(row.build_tdeps) as string[],
    config: row.config,
    manifest: row.manifest,
  }
}
