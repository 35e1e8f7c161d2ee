import type { Selectable } from 'kysely'
import type { Db } from '../database/database.ts'
import type { ViewsTable } from '../database/schema.ts'
import { DepotError, quote } from '../errors.ts'
import { formatIdent, formatPackageName, parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { FIRST_UNGOVERNED } from './view.ts'
import type { View, ViewMaker, ViewName, ViewRelease, ViewRule } from './view.ts'

export async function findView(db: Db, name: string): Promise<View | undefined> {
  const row = await db.selectFrom('views').selectAll().where('name', '=', name).executeTakeFirst()
  return row && viewOf(row)
}

/** Throws `not_found`, also when the view is closed. */
export async function getView(db: Db, name: string): Promise<View> {
  const view = await findView(db, name)
  if (view === undefined || view.closedAt !== undefined) throw new DepotError('not_found', `there is no view ${quote(name)}`)
  return view
}

/** As {@link getView}, but closed views too: their past can be read for ever. Throws `not_found`. */
export async function getPastView(db: Db, name: string): Promise<View> {
  const view = await findView(db, name)
  if (view === undefined) throw new DepotError('not_found', `there is no view ${quote(name)}`)
  return view
}

/** The open views, in order of their making; all of them, or a page of those made after the one of this id. */
export async function listViews(db: Db, page?: { after: number; limit: number }): Promise<View[]> {
  const rows = await db
    .selectFrom('views')
    .selectAll()
    .where('closed_at', 'is', null)
    .$if(page !== undefined, (query) => query.where('id', '>', page?.after ?? 0).limit(page?.limit ?? 0))
    .orderBy('id')
    .execute()
  return rows.map(viewOf)
}

export async function insertView(db: Db, view: { name: string; rule: ViewRule; maker: ViewMaker; at: number }): Promise<number> {
  const { id } = await db
    .insertInto('views')
    .values({ name: view.name, rule: view.rule, maker: view.maker, created_at: view.at, closed_at: null, ungoverned: JSON.stringify(FIRST_UNGOVERNED) })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function closeView(db: Db, viewId: number, at: number): Promise<void> {
  await db.updateTable('views').set({ closed_at: at }).where('id', '=', viewId).execute()
}

/** Opens a closed view again, which has no members, under a rule and a maker of its new life. Its revisions go on. */
export async function reopenView(db: Db, viewId: number, as: { rule: ViewRule; maker: ViewMaker }): Promise<void> {
  await db.updateTable('views').set({ ...as, closed_at: null }).where('id', '=', viewId).execute()
}

export async function setViewRevision(db: Db, viewId: number, revision: number): Promise<void> {
  await db.updateTable('views').set({ revision }).where('id', '=', viewId).execute()
}

/** A release by its ident and target, whoever may see it. */
export async function findViewRelease(db: Db, ident: Ident, target: Target): Promise<ViewRelease | undefined> {
  const row = await viewReleases(db).where('releases.ident', '=', formatIdent(ident)).where('releases.target', '=', target).executeTakeFirst()
  return row && viewReleaseOf(row)
}

export async function isMember(db: Db, viewId: number, release: ViewRelease): Promise<boolean> {
  const row = await db
    .selectFrom('members')
    .select('from_revision')
    .where('view_id', '=', viewId)
    .where('package_id', '=', release.packageId)
    .where('release_id', '=', release.releaseId)
    .where('to_revision', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

/** What `latest` of a package answers for a target, as the view stands. */
export async function findPointer(db: Db, viewId: number, packageId: number, target: Target): Promise<ViewRelease | undefined> {
  const row = await viewReleases(db)
    .innerJoin('pointers', 'pointers.release_id', 'releases.id')
    .where('pointers.view_id', '=', viewId)
    .where('pointers.package_id', '=', packageId)
    .where('pointers.target', '=', target)
    .where('pointers.to_revision', 'is', null)
    .executeTakeFirst()
  return row && viewReleaseOf(row)
}

/** Every pointer of every open view, as it stands. */
export async function listPointers(
  db: Db,
): Promise<{ view: string; origin: string; name: string; target: Target; ident: string; revision: number }[]> {
  return db
    .selectFrom('pointers')
    .innerJoin('views', 'views.id', 'pointers.view_id')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .innerJoin('packages', 'packages.id', 'pointers.package_id')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select(['views.name as view', 'origins.name as origin', 'packages.name', 'pointers.target', 'releases.ident', 'pointers.from_revision as revision'])
    .where('pointers.to_revision', 'is', null)
    .execute()
}

/** The current member that the view's rule puts first, for what a pointer moves to when its release leaves. */
export async function findFirstMember(
  db: Db,
  view: { id: number; rule: ViewRule },
  packageId: number,
  target: Target,
): Promise<ViewRelease | undefined> {
  const members = membersOf(db, view.id)
    .where('members.package_id', '=', packageId)
    .where('releases.target', '=', target)
  const ordered =
    view.rule === 'highest'
      ? members.orderBy('releases.order_key', 'desc')
      : members.orderBy('members.from_revision', 'desc').orderBy('members.position', 'desc')
  const row = await ordered.limit(1).executeTakeFirst()
  return row && viewReleaseOf(row)
}

/** The current members that belong to an origin, such that of each package what the view's rule puts first comes last. */
export async function listMembersOfOrigin(db: Db, view: { id: number; rule: ViewRule }, originId: number): Promise<ViewRelease[]> {
  const members = membersOf(db, view.id).where('packages.origin_id', '=', originId)
  const ordered =
    view.rule === 'highest' ? members.orderBy('releases.order_key').orderBy('releases.id') : members.orderBy('members.from_revision').orderBy('members.position')
  return (await ordered.execute()).map(viewReleaseOf)
}

/** The views a release is in. */
export async function listViewsWith(db: Db, release: ViewRelease): Promise<View[]> {
  const rows = await db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .selectAll('views')
    .where('members.release_id', '=', release.releaseId)
    .where('members.to_revision', 'is', null)
    .orderBy('views.id')
    .execute()
  return rows.map(viewOf)
}

export async function openMembership(db: Db, viewId: number, release: ViewRelease, from: { revision: number; position: number }): Promise<void> {
  await db
    .insertInto('members')
    .values({
      view_id: viewId,
      package_id: release.packageId,
      release_id: release.releaseId,
      from_revision: from.revision,
      position: from.position,
      to_revision: null,
    })
    .execute()
}

export async function closeMembership(db: Db, viewId: number, release: ViewRelease, revision: number): Promise<void> {
  await db
    .updateTable('members')
    .set({ to_revision: revision })
    .where('view_id', '=', viewId)
    .where('package_id', '=', release.packageId)
    .where('release_id', '=', release.releaseId)
    .where('to_revision', 'is', null)
    .execute()
}

/** Ends a pointer at `revision` and, when there is a release to point to, starts the next. */
export async function movePointer(
  db: Db,
  viewId: number,
  pointer: { packageId: number; target: Target; to: ViewRelease | undefined },
  revision: number,
): Promise<void> {
  await db
    .updateTable('pointers')
    .set({ to_revision: revision })
    .where('view_id', '=', viewId)
    .where('package_id', '=', pointer.packageId)
    .where('target', '=', pointer.target)
    .where('to_revision', 'is', null)
    .execute()
  if (pointer.to === undefined) return
  await db
    .insertInto('lines')
    .values({ view_id: viewId, package: formatPackageName(pointer.to.ident), target: pointer.target, package_id: pointer.packageId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await db
    .insertInto('pointers')
    .values({
      view_id: viewId,
      package_id: pointer.packageId,
      target: pointer.target,
      release_id: pointer.to.releaseId,
      from_revision: revision,
      to_revision: null,
    })
    .execute()
}

interface ViewReleaseRow {
  release_id: number
  package_id: number
  origin_id: number
  ident: string
  target: Target
  order_key: string
}

function viewReleases(db: Db) {
  return db
    .selectFrom('releases')
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .select(['releases.id as release_id', 'releases.package_id', 'packages.origin_id', 'releases.ident', 'releases.target', 'releases.order_key'])
    .where('releases.deleted_at', 'is', null)
}

function membersOf(db: Db, viewId: number) {
  return viewReleases(db)
    .innerJoin('members', 'members.release_id', 'releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
}

function viewReleaseOf(row: ViewReleaseRow): ViewRelease {
  return {
    releaseId: row.release_id,
    packageId: row.package_id,
    originId: row.origin_id,
    ident: parseIdent(row.ident),
    target: row.target,
    orderKey: row.order_key,
  }
}

function viewOf(row: Selectable<ViewsTable>): View {
  return {
    id: row.id,
    name: row.name as ViewName,
    rule: row.rule,
    maker: row.maker,
    revision: row.revision,
    createdAt: row.created_at,
    closedAt: row.closed_at ?? undefined,
    ungoverned: JSON.parse(row.ungoverned) as string[],
  }
}
