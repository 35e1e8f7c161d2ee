import { sql } from 'kysely'
import { inBatches } from '../database/batches.ts'
import { among, unindexed } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { lastsFrom } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Requirement, ViewRelease } from '../views/view.ts'
import { findView } from './view-store.ts'

/**
 * Since when, without interruption, releases meet a requirement, by release id. Releases that do not meet it are absent. The search
 * goes back only as far as the requirement needs.
 */
export async function readHeldSince(
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
    // With an index on the view, SQLite would scan all of its memberships.
    const members = await memberships(db)
      .where((eb) => eb(unindexed(eb.ref('members.view_id')), '=', view.id))
      .where('members.release_id', 'in', among(ids))
      .where('members.to_revision', 'is', null)
      .execute()
    for (const member of members)
      since.set(member.release_id, await lookBack(db, view.id, member, { clock, soakMs }))
  }
  return since
}

interface Membership {
  readonly release_id: number
  readonly from_revision: number
  readonly at: number
}

/** When a member joined that may have rejoined since, but never left. */
async function lookBack(
  db: Db,
  viewId: number,
  member: Membership,
  { clock, soakMs }: { clock: Clock; soakMs: number },
): Promise<number> {
  let { from_revision, at } = member
  while (lastsFrom(at, clock) > clock.now - soakMs) {
    const before = await memberships(db)
      .where('members.view_id', '=', viewId)
      .where('members.release_id', '=', member.release_id)
      .where('members.to_revision', 'is not', null)
      .where('members.from_revision', '<', from_revision)
      .orderBy('members.from_revision', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (before?.to_revision !== from_revision) return lastsFrom(at, clock)
    ;({ from_revision, at } = before)
  }
  return lastsFrom(at, clock)
}

async function readPointersSince(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  clock: Clock,
): Promise<Map<number, number>> {
  const asked = new Set(releases.map(({ releaseId }) => releaseId))
  const since = new Map<number, number>()
  for (const ids of inBatches(releases.map(({ packageId }) => packageId))) {
    const rows = await db
      .selectFrom('pointers')
      .innerJoin('ledger', (on) =>
        on
          .onRef('ledger.view_id', '=', 'pointers.view_id')
          .onRef('ledger.revision', '=', 'pointers.from_revision'),
      )
      .select(['pointers.release_id', stamp])
      .where('pointers.view_id', '=', viewId)
      .where('pointers.package_id', 'in', among(ids))
      .where('pointers.to_revision', 'is', null)
      .execute()
    for (const row of rows) if (asked.has(row.release_id)) since.set(row.release_id, lastsFrom(row.at, clock))
  }
  return since
}

function memberships(db: Db) {
  return db
    .selectFrom('members')
    .innerJoin('ledger', (on) =>
      on
        .onRef('ledger.view_id', '=', 'members.view_id')
        .onRef('ledger.revision', '=', 'members.from_revision'),
    )
    .select(['members.release_id', 'members.from_revision', 'members.to_revision', stamp])
}

/** The wall clock at the commit of an entry. */
const stamp = sql<number>`coalesce(ledger.clock, ledger.at)`.as('at')
