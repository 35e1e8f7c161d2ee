import { sql } from 'kysely'
import { among, insertRows, unindexed, usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { inBatches } from '../database/batches.ts'
import { formatIdent, formatPackageName, lineOf, parseIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { Move, Present, Wanted } from '../views/plan.ts'
import type { PastRelease } from './restore.ts'
import type { Only } from '../views/change-request.ts'
import type { ViewRule } from '../views/rule.ts'
import type { View, ViewRelease } from '../views/view.ts'

// The members and pointers of views. Writes work on sets, since a promotion may move thousands of releases.

/** Finds a release by its ident and target, whatever its visibility. */
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

/** The pointers of a view, in no order. Read as one text, which is cheap to pass between threads. */
export async function listPointersIn(
  db: Db,
  viewId: number,
): Promise<[packageId: number, target: Target, ident: string, revision: number][]> {
  const { pointers } = await db
    .selectFrom(usingIndex('pointers', 'pointers_current'))
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .select(sql<string | null>`string_agg(${POINTER_LINE}, ' ')`.as('pointers'))
    .where('pointers.view_id', '=', viewId)
    .where('pointers.to_revision', 'is', null)
    .executeTakeFirstOrThrow()
  const words = pointers?.split(' ') ?? []
  return Array.from({ length: words.length / 4 }, (_, row) => {
    const [packageId, target, ident = '', revision] = words.slice(4 * row, 4 * row + 4)
    return [Number(packageId), target as Target, ident, Number(revision)]
  })
}

/** No target or ident contains a space. */
const POINTER_LINE = sql`pointers.package_id || ' ' || pointers.target || ' ' || releases.ident || ' ' || pointers.from_revision`

/** The pointers of a view, by name. The query walks `lines`, so that past pointers are not read. */
export async function listPointersOf(db: Db, viewId: number): Promise<ViewRelease[]> {
  const rows = await db
    .selectFrom('lines')
    .crossJoin('pointers')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .innerJoin('packages', 'packages.id', 'pointers.package_id')
    .select(VIEW_RELEASE)
    .where('lines.view_id', '=', viewId)
    .whereRef('pointers.view_id', '=', 'lines.view_id')
    .whereRef('pointers.package_id', '=', 'lines.package_id')
    .whereRef('pointers.target', '=', 'lines.target')
    .where('pointers.to_revision', 'is', null)
    .orderBy('lines.package')
    .orderBy('lines.target')
    .execute()
  return rows.map(viewReleaseOf)
}

/** Reads the present state of the packages of a change. */
export async function readPresent(
  db: Db,
  view: Pick<View, 'id' | 'rule'>,
  { joining, leaving }: Wanted,
): Promise<Present> {
  const named = [...joining.map(({ release }) => release), ...leaving]
  const members = new Set((await onlyMembers(db, view, named)).map(({ releaseId }) => releaseId))
  const pointers = new Map<string, ViewRelease>()
  for (const ids of inBatches(named.map(({ packageId }) => packageId))) {
    for (const pointer of await listPointersOfPackages(db, view.id, ids))
      pointers.set(lineOf(pointer), pointer)
  }
  const joined = new Set(joining.map(({ release }) => lineOf(release)))
  const leavingLines = Map.groupBy(leaving, lineOf)
  const losing = [...leavingLines].filter(
    ([line, gone]) =>
      gone.some(({ releaseId }) => releaseId === pointers.get(line)?.releaseId) &&
      !(view.rule === 'promoted' && joined.has(line)), // the joining release becomes the answer
  )
  return { members, pointers, successors: await findSuccessors(db, view, new Map(losing)) }
}

/** The releases that `latest` would answer under a rule, where it answers another one now, by package and target. */
export async function listLeadersUnder(db: Db, viewId: number, rule: ViewRule): Promise<ViewRelease[]> {
  const rows = await db
    .with('ranked', (query) => membersOf(query as Db, viewId).select(placeInLine(rule)))
    .selectFrom('ranked')
    .innerJoin('pointers', (on) =>
      on
        .onRef('pointers.package_id', '=', 'ranked.package_id')
        .onRef('pointers.target', '=', 'ranked.target'),
    )
    .selectAll('ranked')
    .where('pointers.view_id', '=', viewId)
    .where('pointers.to_revision', 'is', null)
    .where('ranked.place', '=', 1)
    .whereRef('pointers.release_id', '<>', 'ranked.release_id')
    .orderBy('ranked.ident')
    .orderBy('ranked.target')
    .execute()
  return rows.map(viewReleaseOf)
}

/** The ids of members among these releases, at most one batch. */
export async function listMemberIds(
  db: Db,
  viewId: number,
  releaseIds: readonly number[],
): Promise<number[]> {
  const rows = await db
    .selectFrom(usingIndex('members', 'members_by_release'))
    .select('release_id')
    .where('view_id', '=', viewId)
    .where('release_id', 'in', among(releaseIds))
    .where('to_revision', 'is', null)
    .execute()
  return rows.map((row) => row.release_id)
}

/** The members among these releases. */
export async function onlyMembers(
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

/** The present members of an origin. For each package, the release that the view's rule puts first comes last. */
export async function listMembersOfOrigin(
  db: Db,
  view: { id: number; rule: ViewRule },
  originId: number,
): Promise<ViewRelease[]> {
  const members = db
    .selectFrom('packages')
    .crossJoin(usingIndex('members', 'members_current'))
    .crossJoin('releases')
    .select(VIEW_RELEASE)
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

/** Members of some packages at a revision in the order in which they joined, including deleted ones. */
export async function listPastMembers(
  db: Db,
  viewId: number,
  packageIds: readonly number[],
  revision: number,
): Promise<PastRelease[]> {
  const rows = await pastReleases(db)
    .innerJoin('members', 'members.release_id', 'releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.package_id', 'in', among(packageIds))
    .where((eb) => eb(unindexed(eb.ref('members.from_revision')), '<=', revision)) // otherwise SQLite scans all earlier memberships
    .where((eb) => eb.or([eb('members.to_revision', 'is', null), eb('members.to_revision', '>', revision)]))
    .orderBy('members.from_revision')
    .orderBy('members.position')
    .execute()
  return rows.map((row) => ({ ...viewReleaseOf(row), isDeleted: row.deleted_at !== null }))
}

/** The packages of which a member joined or left: at a revision (`=`), or after it (`>`). */
export async function listPackagesChanged(
  db: Db,
  viewId: number,
  when: readonly ['=' | '>', number],
  only: Only | undefined,
): Promise<number[]> {
  const changes = changesOf(db, viewId, only)
  const rows = await changes
    .where('from_revision', ...when)
    .union(changes.where('to_revision', ...when))
    .execute()
  return rows.map((row) => row.package_id)
}

function changesOf(db: Db, viewId: number, { origin, name }: Only = {}) {
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

/** The revision of the last move of `latest`, by `package_id target`. */
export async function listPointerRevisions(
  db: Db,
  viewId: number,
  packageIds: readonly number[],
): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('pointers')
    .select(['package_id', 'target'])
    .select((eb) => eb.fn.max<number>(eb.fn.coalesce('to_revision', 'from_revision')).as('revision'))
    .where('view_id', '=', viewId)
    .where('package_id', 'in', among(packageIds))
    .groupBy(['package_id', 'target'])
    .execute()
  return new Map(rows.map((row) => [`${row.package_id} ${row.target}`, row.revision]))
}

/** Makes releases members from a revision on, in this order. */
export async function openMemberships(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  revision: number,
): Promise<void> {
  const rows = releases.map(({ packageId, releaseId }, position) => ({
    view_id: viewId,
    package_id: packageId,
    release_id: releaseId,
    from_revision: revision,
    position,
  }))
  await insertRows(db, 'members', rows)
}

export async function closeMemberships(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  revision: number,
): Promise<void> {
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    await db
      .updateTable(usingIndex('members', 'members_by_release'))
      .set({ to_revision: revision })
      .where('release_id', 'in', among(ids))
      .where('view_id', '=', viewId)
      .where('to_revision', 'is', null)
      .execute()
  }
}

/** Ends pointers at `revision` and, where there is a release to point to, starts the next. */
export async function movePointers(
  db: Db,
  viewId: number,
  moves: readonly Move[],
  revision: number,
): Promise<void> {
  const ending = moves.flatMap(({ from }) => (from === undefined ? [] : [from]))
  for (const [target, releases] of Map.groupBy(ending, (release) => release.target)) {
    for (const ids of inBatches(releases.map(({ packageId }) => packageId))) {
      await db
        .updateTable('pointers')
        .set({ to_revision: revision })
        .where('view_id', '=', viewId)
        .where('package_id', 'in', among(ids))
        .where('target', '=', target)
        .where('to_revision', 'is', null)
        .execute()
    }
  }
  // A line exists already if there was a pointer.
  const lines = moves.flatMap(({ from, to }) => {
    if (to === undefined || from !== undefined) return []
    const { ident, target, packageId } = to
    return [{ view_id: viewId, package: formatPackageName(ident), target, package_id: packageId }]
  })
  await insertRows(db, 'lines', lines, 'keep')
  const pointers = moves.flatMap(({ to }) => {
    if (to === undefined) return []
    const { packageId, target, releaseId } = to
    return [
      { view_id: viewId, package_id: packageId, target, release_id: releaseId, from_revision: revision },
    ]
  })
  await insertRows(db, 'pointers', pointers)
}

async function listPointersOfPackages(
  db: Db,
  viewId: number,
  packageIds: readonly number[],
): Promise<ViewRelease[]> {
  const rows = await viewReleases(db)
    .innerJoin(usingIndex('pointers', 'pointers_current'), 'pointers.release_id', 'releases.id')
    .where('pointers.view_id', '=', viewId)
    .where('pointers.package_id', 'in', among(packageIds))
    .where('pointers.to_revision', 'is', null)
    .execute()
  return rows.map(viewReleaseOf)
}

/** For each line, the first member by the view's rule besides those that leave. */
async function findSuccessors(
  db: Db,
  view: { id: number; rule: ViewRule },
  leaving: ReadonlyMap<string, readonly ViewRelease[]>,
): Promise<Map<string, ViewRelease>> {
  const successors = new Map<string, ViewRelease>()
  for (const lines of inBatches(leaving.keys())) {
    const gone = lines.flatMap((line) => leaving.get(line) ?? [])
    const rows = await db
      .with('ranked', (query) =>
        membersOf(query as Db, view.id)
          .select(placeInLine(view.rule))
          .where('members.package_id', 'in', among(gone.map(({ packageId }) => packageId)))
          .where('members.release_id', 'not in', among(gone.map(({ releaseId }) => releaseId))),
      )
      .selectFrom('ranked')
      .selectAll()
      .where('ranked.place', '=', 1)
      .execute()
    // A package may have lines for other targets, which are not asked for here.
    const asked = new Set(lines)
    for (const release of rows.map(viewReleaseOf))
      if (asked.has(lineOf(release))) successors.set(lineOf(release), release)
  }
  return successors
}

/** The place of a member in its line by a rule. 1 is the answer of `latest`. */
function placeInLine(rule: ViewRule) {
  const order =
    rule === 'highest' ? sql`releases.order_key DESC` : sql`members.from_revision DESC, members.position DESC`
  return sql<number>`row_number() OVER (PARTITION BY members.package_id, releases.target ORDER BY ${order})`.as(
    'place',
  )
}

interface ViewReleaseRow {
  release_id: number
  package_id: number
  origin_id: number
  ident: string
  target: Target
  order_key: string
}

/** Selects {@link ViewRelease} rows of releases that are not deleted. */
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
  }
}

export const VIEW_RELEASE = [
  'releases.id as release_id',
  'releases.package_id',
  'packages.origin_id',
  'releases.ident',
  'releases.target',
  'releases.order_key',
  'releases.deleted_at',
] as const

function pastReleases(db: Db) {
  return db
    .selectFrom('releases')
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .select(VIEW_RELEASE)
}

function membersOf(db: Db, viewId: number) {
  return viewReleases(db)
    .innerJoin(usingIndex('members', 'members_current'), 'members.release_id', 'releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is', null)
}
