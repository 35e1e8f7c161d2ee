import { sql } from 'kysely'
import { inBatches } from '../database/batches.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { durationStart } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { UnsettledMove } from '../views/gate.ts'
import type { Move } from '../views/plan.ts'
import type { Requirement, ViewRelease } from '../views/view.ts'
import { listPointerRevisions } from './pointer-store.ts'
import { findView } from './view-store.ts'

/**
 * Reads the time since which each release has met a requirement without interruption (epoch milliseconds), by
 * release id. Releases that do not meet the requirement now are absent. The search goes back only until a
 * release has met the requirement long enough, so the time of such a release may be later than the true one.
 */
export async function readMetSince(
  db: Db,
  { view: name, as, soakMs = 0 }: Requirement,
  releases: readonly ViewRelease[],
  clock: Clock,
): Promise<Map<number, number>> {
  const view = await findView(db, name)
  if (view === undefined || view.closedAt !== undefined) return new Map()
  if (as === 'current') return readPointersSince(db, view.id, releases, clock)
  const since = new Map<number, number>()
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const members = await memberships(db, 'members_by_release')
      .where('members.view_id', '=', view.id)
      .where('members.release_id', 'in', ids)
      .where('members.to_revision', 'is', null)
      .execute()
    await lookBack(db, view.id, members, { clock, soakMs, since })
  }
  return since
}

interface Membership {
  readonly release_id: number
  readonly from_revision: number
  readonly at: number
}

/**
 * Stores in `since` when each member joined. A member that rejoins has several memberships without a gap;
 * then the first of them counts. Each round goes back by one membership, for all members together.
 */
async function lookBack(
  db: Db,
  viewId: number,
  members: readonly Membership[],
  { clock, soakMs, since }: { clock: Clock; soakMs: number; since: Map<number, number> },
): Promise<void> {
  for (let earliest = members; earliest.length > 0;) {
    for (const { release_id, at } of earliest) since.set(release_id, durationStart(at, clock))
    const tooYoung = earliest.filter(({ at }) => durationStart(at, clock) > clock.now - soakMs)
    earliest = tooYoung.length === 0 ? [] : await listPreceding(db, viewId, tooYoung)
  }
}

/** Lists the memberships of the same releases that ended when these began. */
async function listPreceding(
  db: Db,
  viewId: number,
  members: readonly Membership[],
): Promise<readonly Membership[]> {
  const begun = new Map(members.map(({ release_id, from_revision }) => [release_id, from_revision]))
  const rows = await memberships(db, 'members_before')
    .where('members.release_id', 'in', [...begun.keys()])
    .where('members.view_id', '=', viewId)
    .where('members.to_revision', 'is not', null)
    .where('members.to_revision', 'in', [...new Set(begun.values())])
    .execute()
  return rows.filter(({ release_id, to_revision }) => to_revision === begun.get(release_id))
}

async function readPointersSince(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  clock: Clock,
): Promise<Map<number, number>> {
  const wanted = new Set(releases.map(({ releaseId }) => releaseId))
  const since = new Map<number, number>()
  for (const ids of inBatches(releases.map(({ packageId }) => packageId))) {
    const rows = await db
      .selectFrom('pointers')
      .innerJoin('ledger', (on) =>
        on
          .onRef('ledger.view_id', '=', 'pointers.view_id')
          .onRef('ledger.revision', '=', 'pointers.from_revision'),
      )
      .select(['pointers.release_id', wallClock])
      .where('pointers.view_id', '=', viewId)
      .where('pointers.package_id', 'in', ids)
      .where('pointers.to_revision', 'is', null)
      .execute()
    for (const row of rows)
      if (wanted.has(row.release_id)) since.set(row.release_id, durationStart(row.at, clock))
  }
  return since
}

/**
 * Returns the moves on lines where `latest` already moved less than `settlingMs` ago, with the time of that
 * earlier move. The earlier move may have left `latest` without an answer.
 */
export async function listUnsettled(
  db: Db,
  viewId: number,
  moves: readonly Move[],
  { clock, settlingMs }: { clock: Clock; settlingMs: number },
): Promise<UnsettledMove[]> {
  const packageIds = moves.flatMap(({ from, to }) => (from ?? to)?.packageId ?? [])
  const revisions = new Map<string, number>()
  for (const ids of inBatches(packageIds))
    for (const [line, revision] of await listPointerRevisions(db, viewId, ids)) revisions.set(line, revision)
  const last = moves.flatMap((move) => {
    const revision = revisions.get(lineIn(move))
    return revision === undefined ? [] : [{ move, revision }]
  })
  const movedAt = new Map<number, number>()
  for (const batch of inBatches(last.map(({ revision }) => revision))) {
    const rows = await db
      .selectFrom('ledger')
      .select(['ledger.revision', wallClock])
      .where('view_id', '=', viewId)
      .where('revision', 'in', batch)
      .where('at', '>', clock.now - settlingMs) // older rows, which may be large, are not read
      .execute()
    for (const { revision, at } of rows)
      if (revision !== null) movedAt.set(revision, durationStart(at, clock))
  }
  return last.flatMap(({ move, revision }) => {
    const at = movedAt.get(revision)
    return at !== undefined && clock.now - at < settlingMs ? [{ move, movedAt: at }] : []
  })
}

/** The key of a move in the answer of {@link listPointerRevisions}. */
function lineIn({ from, to }: Move): string {
  const end = from ?? to
  return end === undefined ? '' : `${end.packageId} ${end.target}`
}

function memberships(db: Db, index: 'members_by_release' | 'members_before') {
  return db
    .selectFrom(usingIndex('members', index))
    .innerJoin('ledger', (on) =>
      on
        .onRef('ledger.view_id', '=', 'members.view_id')
        .onRef('ledger.revision', '=', 'members.from_revision'),
    )
    .select(['members.release_id', 'members.from_revision', 'members.to_revision', wallClock])
}

/** The wall clock at the commit of an entry. It is stored only if it differs from the commit time. */
const wallClock = sql<number>`coalesce(ledger.clock, ledger.at)`.as('at')
