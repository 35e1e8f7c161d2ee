import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import type { Requirement, ViewRelease } from './view.ts'
import { findView } from './view-store.ts'

/** By id of a release: since when, without a break, another view holds it as a requirement wants it. Those it does not hold are absent. */
export async function readHeldSince(db: Db, { view: name, as }: Requirement, releases: readonly ViewRelease[]): Promise<Map<number, number>> {
  const view = await findView(db, name)
  if (view === undefined || view.closedAt !== undefined) return new Map()
  return as === 'member' ? readMembersSince(db, view.id, releases) : readPointersSince(db, view.id, releases)
}

/** A member that joins anew was there before. */
async function readMembersSince(db: Db, viewId: number, releases: readonly ViewRelease[]): Promise<Map<number, number>> {
  const since = new Map<number, number>()
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const began = new Map<number, number>()
    for (const row of await listMemberships(db, viewId, ids)) {
      if (row.to_revision !== null && began.get(row.release_id) !== row.to_revision) continue
      began.set(row.release_id, row.from_revision)
      since.set(row.release_id, row.at)
    }
  }
  return since
}

async function readPointersSince(db: Db, viewId: number, releases: readonly ViewRelease[]): Promise<Map<number, number>> {
  const asked = new Set(releases.map(({ releaseId }) => releaseId))
  const since = new Map<number, number>()
  for (const ids of inBatches(releases.map(({ packageId }) => packageId))) {
    const rows = await db
      .selectFrom('pointers')
      .innerJoin('ledger', (on) => on.onRef('ledger.view_id', '=', 'pointers.view_id').onRef('ledger.revision', '=', 'pointers.from_revision'))
      .select(['pointers.release_id', 'ledger.at'])
      .where('pointers.view_id', '=', viewId)
      .where('pointers.package_id', 'in', ids)
      .where('pointers.to_revision', 'is', null)
      .execute()
    for (const row of rows) if (asked.has(row.release_id)) since.set(row.release_id, row.at)
  }
  return since
}

/** Those that hold and those that are over, which are in indexes of their own; the newest first. */
async function listMemberships(db: Db, viewId: number, releaseIds: readonly number[]) {
  const memberships = db
    .selectFrom('members')
    .innerJoin('ledger', (on) => on.onRef('ledger.view_id', '=', 'members.view_id').onRef('ledger.revision', '=', 'members.from_revision'))
    .select(['members.release_id', 'members.from_revision', 'members.to_revision', 'ledger.at'])
    .where('members.release_id', 'in', releaseIds)
    .where(sql<SqlBool>`+members.view_id = ${viewId}`)
  const current = await memberships.where('members.to_revision', 'is', null).execute()
  const over = await memberships.where('members.to_revision', 'is not', null).orderBy('members.from_revision', 'desc').execute()
  return [...current, ...over]
}
