import { sql } from 'kysely'
import { inserter, usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import { inBatches } from '../database/batches.ts'
import { formatPackageName, lineOf } from '../package/ident.ts'
import type { Line } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { Move, PresentState, ViewDelta } from '../views/plan.ts'
import { skips } from '../views/rule.ts'
import type { ViewRule } from '../views/rule.ts'
import type { View, ViewRelease } from '../views/view.ts'
import { VIEW_RELEASE_COLUMNS, membersOf, placeInLine, viewReleaseOf } from './member-store.ts'
import type { ViewReleaseRow } from './member-store.ts'

// The pointers of views: the answers of `latest`, by line. Writes work on sets, since a promotion may move
// thousands of releases.

/**
 * Lists the pointers of a view, in no order. They are read as one text, which is cheap to pass between
 * threads.
 */
export async function listPointerTuples(
  db: Db,
  viewId: number,
): Promise<[packageId: number, target: Target, ident: string, revision: number][]> {
  const { pointers } = await db
    .selectFrom(usingIndex('pointers', 'pointers_current'))
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .select(sql<string | null>`string_agg(${POINTER_WORDS}, ' ')`.as('pointers'))
    .where('pointers.view_id', '=', viewId)
    .where('pointers.to_revision', 'is', null)
    .executeTakeFirstOrThrow()
  const words = pointers?.split(' ') ?? []
  return Array.from({ length: words.length / 4 }, (_, row) => {
    const [packageId, target, ident = '', revision] = words.slice(4 * row, 4 * row + 4)
    return [Number(packageId), target as Target, ident, Number(revision)]
  })
}

/** A pointer as four words: no target or ident contains a space. */
const POINTER_WORDS = sql`pointers.package_id || ' ' || pointers.target || ' ' || releases.ident || ' ' || pointers.from_revision`

/** Reports whether `latest` of a view answers a release now. */
export async function isLatestIn(
  db: Db,
  viewId: number,
  { packageId, target, releaseId }: ViewRelease,
): Promise<boolean> {
  const row = await db
    .selectFrom(usingIndex('pointers', 'pointers_current'))
    .select('pointers.release_id')
    .where('pointers.view_id', '=', viewId)
    .where('pointers.package_id', '=', packageId)
    .where('pointers.target', '=', target)
    .where('pointers.to_revision', 'is', null)
    .executeTakeFirst()
  return row?.release_id === releaseId
}

/** Lists the pointers of a view, by name. The query walks `lines`, so that past pointers are not read. */
export async function listPointersOf(db: Db, viewId: number): Promise<ViewRelease[]> {
  const rows = await db
    .selectFrom('lines')
    .crossJoin('pointers')
    .innerJoin('releases', 'releases.id', 'pointers.release_id')
    .innerJoin('packages', 'packages.id', 'pointers.package_id')
    .select(VIEW_RELEASE_COLUMNS)
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

/**
 * Lists the members on lines that have no pointer, because `latest` skips all of their members. The query
 * walks `lines`: each line with members had a pointer once.
 */
export async function listMembersWithoutPointer(db: Db, viewId: number): Promise<ViewRelease[]> {
  const rows = await db
    .selectFrom('lines')
    .crossJoin(usingIndex('members', 'members_current'))
    .crossJoin('releases')
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .select(VIEW_RELEASE_COLUMNS)
    .where('lines.view_id', '=', viewId)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom(usingIndex('pointers', 'pointers_current'))
            .select('pointers.release_id')
            .whereRef('pointers.view_id', '=', 'lines.view_id')
            .whereRef('pointers.package_id', '=', 'lines.package_id')
            .whereRef('pointers.target', '=', 'lines.target')
            .where('pointers.to_revision', 'is', null),
        ),
      ),
    )
    .whereRef('members.view_id', '=', 'lines.view_id')
    .whereRef('members.package_id', '=', 'lines.package_id')
    .where('members.to_revision', 'is', null)
    .whereRef('releases.id', '=', 'members.release_id')
    .whereRef('releases.target', '=', 'lines.target')
    .execute()
  return rows.map(viewReleaseOf)
}

/** Reads the present state of the lines that a change concerns. */
export async function readPresentState(
  db: Db,
  view: Pick<View, 'id' | 'rule'>,
  { joining, leaving }: ViewDelta,
): Promise<PresentState> {
  const named = [...joining.map(({ release }) => release), ...leaving]
  const members = new Set<number>()
  const pointers = new Map<Line, ViewRelease>()
  for (const releaseIds of inBatches(named.map(({ releaseId }) => releaseId)))
    for (const row of await presentLines(db, { viewId: view.id, releaseIds })) {
      if (row.is_member === 1) members.add(row.named_id)
      if (row.release_id === null) continue
      const pointer = viewReleaseOf(row as ViewReleaseRow)
      pointers.set(lineOf(pointer), pointer)
    }
  const joined = new Set(joining.map(({ release }) => lineOf(release)))
  const skipped = joining.map(({ release }) => release).filter((release) => skips(view.rule, release))
  const replacedLines = Map.groupBy([...leaving, ...skipped], lineOf)
  // Under `promoted`, a release that joins becomes the answer, so its line needs no successor.
  const needsSuccessor = [...replacedLines].filter(
    ([line, releases]) =>
      releases.some(({ releaseId }) => releaseId === pointers.get(line)?.releaseId) &&
      !(view.rule === 'promoted' && joined.has(line)),
  )
  return { members, pointers, successors: await findSuccessors(db, view, new Map(needsSuccessor)) }
}

/**
 * Finds for each release whether it is a member, and the pointer of its line. Without a pointer, the columns
 * of the pointer are null.
 */
const presentLines = prepared<{ viewId: number; releaseIds: readonly number[] }>()(
  (db, { viewId, releaseIds }) =>
    db
      .selectFrom('releases as named')
      .leftJoin(usingIndex('members', 'members_by_release'), (on) =>
        on
          .onRef('members.release_id', '=', 'named.id')
          .on('members.view_id', '=', viewId)
          .on('members.to_revision', 'is', null),
      )
      .leftJoin(usingIndex('pointers', 'pointers_current'), (on) =>
        on
          .on('pointers.view_id', '=', viewId)
          .onRef('pointers.package_id', '=', 'named.package_id')
          .onRef('pointers.target', '=', 'named.target')
          .on('pointers.to_revision', 'is', null),
      )
      .leftJoin('releases', (on) =>
        on.onRef('releases.id', '=', 'pointers.release_id').on('releases.deleted_at', 'is', null),
      )
      .leftJoin('packages', 'packages.id', 'releases.package_id')
      .select([
        'named.id as named_id',
        sql<0 | 1>`CASE WHEN members.view_id IS NULL THEN 0 ELSE 1 END`.as('is_member'),
      ])
      .select(VIEW_RELEASE_COLUMNS)
      .where('named.id', 'in', releaseIds),
)

/**
 * Lists the releases to which `latest` would move if the view had this rule, in the order of their idents and
 * targets.
 */
export async function listLeadersUnder(db: Db, viewId: number, rule: ViewRule): Promise<ViewRelease[]> {
  const rows = await db
    .with('ranked', (query) =>
      membersOf(query as Db, viewId)
        .select(placeInLine(rule))
        .where('members.is_skipped', '=', 0)
        .$if(rule === 'highest', (members) => members.where('releases.yanked', 'is', null)),
    )
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

/** Lists the yanked members that `latest` would skip if the view had this rule, and does not skip now. */
export async function listSkippedUnder(db: Db, viewId: number, rule: ViewRule): Promise<ViewRelease[]> {
  if (rule === 'promoted') return []
  const rows = await membersOf(db, viewId)
    .where('releases.yanked', 'is not', null)
    .where('members.is_skipped', '=', 0)
    .orderBy('releases.ident')
    .orderBy('releases.target')
    .execute()
  return rows.map(viewReleaseOf)
}

/**
 * Returns the revision of the last move of `latest` on each line of some packages, by `package_id target`.
 */
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
    .where('package_id', 'in', packageIds)
    .groupBy(['package_id', 'target'])
    .execute()
  return new Map(rows.map((row) => [`${row.package_id} ${row.target}`, row.revision]))
}

/** Ends the old pointer of each move at `revision`, and starts the new pointer if the move has a `to`. */
export async function movePointers(
  db: Db,
  viewId: number,
  moves: readonly Move[],
  revision: number,
): Promise<void> {
  const ending = moves.flatMap(({ from }) => (from === undefined ? [] : [from]))
  for (const [target, releases] of Map.groupBy(ending, (release) => release.target)) {
    for (const packageIds of inBatches(releases.map(({ packageId }) => packageId)))
      await endPointers(db, { viewId, packageIds, target, revision })
  }
  // A line exists already if there was a pointer.
  const lines = moves.flatMap(({ from, to }) => {
    if (to === undefined || from !== undefined) return []
    const { ident, target, packageId } = to
    return [{ package: formatPackageName(ident), target, package_id: packageId }]
  })
  await insertLines(db, lines, { view_id: viewId })
  const pointers = moves.flatMap(({ to }) =>
    to === undefined ? [] : [{ package_id: to.packageId, target: to.target, release_id: to.releaseId }],
  )
  await insertPointers(db, pointers, { view_id: viewId, from_revision: revision })
}

const insertLines = inserter('lines', ['package', 'target', 'package_id'], {
  shared: ['view_id'],
  onConflict: 'keep',
})
const insertPointers = inserter('pointers', ['package_id', 'target', 'release_id'], {
  shared: ['view_id', 'from_revision'],
})

const endPointers = prepared<{
  viewId: number
  packageIds: readonly number[]
  target: Target
  revision: number
}>()((db, { viewId, packageIds, target, revision }) =>
  db
    .updateTable('pointers')
    .set({ to_revision: revision })
    .where('view_id', '=', viewId)
    .where('package_id', 'in', packageIds)
    .where('target', '=', target)
    .where('to_revision', 'is', null),
)

/** Finds what `latest` answers on each line without some of its members. */
async function findSuccessors(
  db: Db,
  view: { id: number; rule: ViewRule },
  replaced: ReadonlyMap<string, readonly ViewRelease[]>,
): Promise<Map<string, ViewRelease>> {
  const successors = new Map<string, ViewRelease>()
  for (const lines of inBatches(replaced.keys())) {
    const excluded = lines.flatMap((line) => replaced.get(line) ?? [])
    const rows = await db
      .with('ranked', (query) =>
        membersOf(query as Db, view.id)
          .select(placeInLine(view.rule))
          .where(
            'members.package_id',
            'in',
            excluded.map(({ packageId }) => packageId),
          )
          .where(
            'members.release_id',
            'not in',
            excluded.map(({ releaseId }) => releaseId),
          )
          .where('members.is_skipped', '=', 0),
      )
      .selectFrom('ranked')
      .selectAll()
      .where('ranked.place', '=', 1)
      .execute()
    // The query also finds the lines of these packages for other targets.
    const wanted = new Set(lines)
    for (const release of rows.map(viewReleaseOf))
      if (wanted.has(lineOf(release))) successors.set(lineOf(release), release)
  }
  return successors
}
