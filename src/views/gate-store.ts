import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import type { Requirement } from './gates.ts'
import type { ViewRelease } from './view.ts'
import { findView } from './view-store.ts'

/** By id of a release: since when, without a break, another view holds it as a requirement wants it. Those it does not hold are absent. */
export async function readHeldSince(db: Db, { view: name, as }: Requirement, releases: readonly ViewRelease[]): Promise<Map<number, number>> {
  const view = await findView(db, name)
  const held = new Map<number, number>()
  if (view === undefined || view.closedAt !== undefined) return held
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const table = as === 'member' ? ('members' as const) : ('pointers' as const)
    const rows = await db
      .selectFrom(table)
      .innerJoin('ledger', (on) => on.onRef('ledger.view_id', '=', `${table}.view_id`).onRef('ledger.revision', '=', `${table}.from_revision`))
      .select([`${table}.release_id`, `${table}.from_revision`, `${table}.to_revision`, 'ledger.at'])
      .where(`${table}.view_id`, '=', view.id)
      .where(`${table}.release_id`, 'in', ids)
      .orderBy(`${table}.from_revision`, 'desc')
      .execute()
    // A member that joins anew was there before.
    const began = new Map<number, number>()
    for (const { release_id, from_revision, to_revision, at } of rows) {
      if (to_revision !== null && began.get(release_id) !== to_revision) continue
      began.set(release_id, from_revision)
      held.set(release_id, at)
    }
  }
  return held
}
