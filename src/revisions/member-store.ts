import { sql } from 'kysely'
import { inserter, usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import { inBatches } from '../database/batches.ts'
import { formatIdent, lineOf, parseIdent } from '../package/ident.ts'
import { holdsAt } from '../releases/visible-store.ts'
import type { Ident } from '../package/ident.ts'
import { noticeOf } from '../package/mark.ts'
import type { Target } from '../package/target.ts'
import type { PastRelease } from './restore.ts'
import type { PackageFilter } from '../views/change-request.ts'
import { skips } from '../views/rule.ts'
import type { ViewRule } from '../views/rule.ts'
import type { ViewRelease } from '../views/view.ts'

// The members of views. Writes work on sets, since a promotion may move thousands of releases.

/** Finds a release by its ident and target, regardless of its visibility. */
export async function findViewRelease(
  db: Db,
  ident: Ident,
  target: Target,
): Promise<ViewRelease | undefined> {
  const row = await viewReleases(db)
    .where('releases.ident', '=', formatIdent(ident))
    .where('releases.target', '=', target)
    .executeTakeFirst()
  return row && viewReleaseOf(row)
}

/** Lists the ids of the members among these releases. `releaseIds` must fit into one batch (`inBatches`). */
export async function listMemberIds(
  db: Db,
  viewId: number,
  releaseIds: readonly number[],
): Promise<number[]> {
  const rows = await membersAmong(db, { viewId, releaseIds })
  return rows.map((row) => row.release_id)
}

const membersAmong = prepared<{ viewId: number; releaseIds: readonly number[] }>()(
  (db, { viewId, releaseIds }) =>
    db
      .selectFrom(usingIndex('members', 'members_by_release'))
      .select('release_id')
      .where('view_id', '=', viewId)
      .where('release_id', 'in', releaseIds)
      .where('to_revision', 'is', null),
)

/** Returns the members among these releases. */
export async function filterMembers(
  db: Db,
  view: { id: number },
  releases: readonly ViewRelease[],
): Promise<ViewRelease[]> {
  const members = new Set<number>()
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    for (const id of await listMemberIds(db, view.id, ids)) members.add(id)
  }
  return releases.filter(({ releaseId }) => members.has(releaseId))
}

/** Reports whether a view has releases now. */
export async function hasMembers(db: Db, viewId: number): Promise<boolean> {
  const row = await db
    .selectFrom(usingIndex('members', 'members_current'))
    .select('members.release_id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Lists the present members of a view that belong to an origin. On each line, the answer of `latest` comes
 * after all other members, except those that `latest` skips.
 */
export async function listMembersOfOrigin(
  db: Db,
  view: { id: number; rule: ViewRule },
  originId: number,
): Promise<ViewRelease[]> {
  const members = db
    .selectFrom('packages')
    .crossJoin(usingIndex('members', 'members_current'))
    .crossJoin('releases')
    .select(VIEW_RELEASE_COLUMNS)
    .where('packages.origin_id', '=', originId)
    .where('members.view_id', '=', view.id)
    .whereRef('members.package_id', '=', 'packages.id')
    .where('members.to_revision', 'is', null)
    .whereRef('releases.id', '=', 'members.release_id')
    .where('releases.deleted_at', 'is', null)
  const ordered =
    view.rule === 'highest'
      ? members.orderBy('releases.order_key').orderBy('releases.id')
      : members.orderBy('members.from_revision').orderBy('members.position')
  return (await ordered.execute()).map(viewReleaseOf)
}

/**
 * Lists the members of some packages at a revision in the order in which they joined, including deleted ones.
 */
export async function listPastMembers(
  db: Db,
  viewId: number,
  packageIds: readonly number[],
  revision: number,
): Promise<PastRelease[]> {
  const rows = await pastReleases(db)
    .innerJoin('members', 'members.release_id', 'releases.id')
    .select('members.is_skipped')
    .where('members.view_id', '=', viewId)
    .where('members.package_id', 'in', packageIds)
    .where((eb) => holdsAt(eb, revision))
    .orderBy('members.from_revision')
    .orderBy('members.position')
    .execute()
  return rows.map((row) => ({
    ...viewReleaseOf(row),
    isDeleted: row.deleted_at !== null,
    isSkipped: row.is_skipped === 1,
  }))
}

/** Lists the present members on the lines of these pointers. */
export async function listMembersOnLines(
  db: Db,
  view: { id: number; revision: number },
  pointers: readonly ViewRelease[],
): Promise<ViewRelease[]> {
  const lines = new Set(pointers.map(lineOf))
  const members: ViewRelease[] = []
  for (const ids of inBatches(pointers.map(({ packageId }) => packageId)))
    members.push(...(await listPastMembers(db, view.id, ids, view.revision)))
  return members.filter((member) => lines.has(lineOf(member)))
}

/** Lists the ids of packages with a release that joined or left: at a revision (`=`), or after it (`>`). */
export async function listPackagesChanged(
  db: Db,
  viewId: number,
  when: readonly ['=' | '>', number],
  only: PackageFilter | undefined,
): Promise<number[]> {
  const changes = changesOf(db, viewId, only)
  const rows = await changes
    .where('from_revision', ...when)
    .union(changes.where('to_revision', ...when))
    .execute()
  return rows.map((row) => row.package_id)
}

function changesOf(db: Db, viewId: number, { origin, name }: PackageFilter = {}) {
  return db
    .selectFrom('members')
    .select('package_id')
    .where('view_id', '=', viewId)
    .$if(origin !== undefined || name !== undefined, (query) =>
      query.where((eb) =>
        eb.exists(
          eb
            .selectFrom('packages')
            .innerJoin('origins', 'origins.id', 'packages.origin_id')
            .select('packages.id')
            .whereRef('packages.id', '=', 'members.package_id')
            .$if(origin !== undefined, (inner) => inner.where('origins.name', '=', origin ?? ''))
            .$if(name !== undefined, (inner) => inner.where('packages.name', '=', name ?? '')),
        ),
      ),
    )
}

/** Makes releases members from a revision on, in this order, under the rule of that revision. */
export async function openMemberships(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  { revision, rule }: { revision: number; rule: ViewRule },
): Promise<void> {
  const rows = releases.map((release, position) => ({
    package_id: release.packageId,
    release_id: release.releaseId,
    position,
    is_skipped: skips(rule, release) ? 1 : 0,
  }))
  await insertMembers(db, rows, { view_id: viewId, from_revision: revision })
}

const insertMembers = inserter('members', ['package_id', 'release_id', 'position', 'is_skipped'], {
  shared: ['view_id', 'from_revision'],
})

/** Ends the present memberships of releases at a revision. Ignores releases that are not members. */
export async function closeMemberships(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  revision: number,
): Promise<void> {
  for (const releaseIds of inBatches(releases.map(({ releaseId }) => releaseId)))
    await endMemberships(db, { viewId, releaseIds, revision })
}

const endMemberships = prepared<{ viewId: number; releaseIds: readonly number[]; revision: number }>()(
  (db, { viewId, releaseIds, revision }) =>
    db
      .updateTable(usingIndex('members', 'members_by_release'))
      .set({ to_revision: revision })
      .where('release_id', 'in', releaseIds)
      .where('view_id', '=', viewId)
      .where('to_revision', 'is', null),
)

/**
 * Returns an SQL expression for the place of a member on its line under a rule. 1 is the answer of `latest`.
 */
export function placeInLine(rule: ViewRule) {
  const order =
    rule === 'highest' ? sql`releases.order_key DESC` : sql`members.from_revision DESC, members.position DESC`
  return sql<number>`row_number() OVER (PARTITION BY members.package_id, releases.target ORDER BY ${order})`.as(
    'place',
  )
}

/** A row with {@link VIEW_RELEASE_COLUMNS}. */
export interface ViewReleaseRow {
  release_id: number
  package_id: number
  origin_id: number
  ident: string
  target: Target
  order_key: string
  yanked: string | null
  deprecated: string | null
}

/** Selects the columns of a {@link ViewRelease} of releases that are not deleted. */
export function viewReleases(db: Db) {
  return pastReleases(db).where('releases.deleted_at', 'is', null)
}

export function viewReleaseOf(row: ViewReleaseRow): ViewRelease {
  return {
    releaseId: row.release_id,
    packageId: row.package_id,
    originId: row.origin_id,
    ident: parseIdent(row.ident),
    target: row.target,
    orderKey: row.order_key,
    yanked: noticeOf(row.yanked)?.reason,
    deprecated: noticeOf(row.deprecated)?.reason,
  }
}

/** The columns that {@link viewReleaseOf} needs. */
export const VIEW_RELEASE_COLUMNS = [
  'releases.id as release_id',
  'releases.package_id',
  'packages.origin_id',
  'releases.ident',
  'releases.target',
  'releases.order_key',
  'releases.yanked',
  'releases.deprecated',
  'releases.deleted_at',
] as const

/** Like {@link viewReleases}, but includes deleted releases. */
function pastReleases(db: Db) {
  return db
    .selectFrom('releases')
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .select(VIEW_RELEASE_COLUMNS)
}

/** Selects the columns of a {@link ViewRelease} of the present members of a view. */
export function membersOf(db: Db, viewId: number) {
  return viewReleases(db)
    .innerJoin(usingIndex('members', 'members_current'), 'members.release_id', 'releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
}
