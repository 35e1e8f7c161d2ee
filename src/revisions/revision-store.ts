import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import { expectRevisionKnown } from '../ledger/position-store.ts'
import type { Moment } from '../views/change-request.ts'
import type { View } from '../views/view.ts'

// When the revisions of a view were made. The ledger has the times.

/**
 * Returns the revision of a view at a moment: the last one made by that time, or the given one. Throws
 * `not_found` for a future revision, and `other_history`.
 */
export async function getRevisionAt(db: Db, view: View, at: Moment | undefined): Promise<number> {
  if (at === undefined) return view.revision
  if ('revision' in at) {
    await expectRevisionKnown(db, view, { number: at.revision, mark: at.mark })
    if (at.revision <= view.revision) return at.revision
    throw new DepotError(
      'not_found',
      `${view.name} is at revision ${view.revision}; there is no revision ${at.revision} yet`,
    )
  }
  const row = await db
    .selectFrom('ledger')
    .select('revision')
    .where('view_id', '=', view.id)
    .where('revision', 'is not', null)
    .where('at', '<=', at.time)
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.revision ?? 0
}

/** Finds the time of a revision; `undefined` for revision 0. */
export async function findRevisionTime(
  db: Db,
  viewId: number,
  revision: number,
): Promise<number | undefined> {
  const row = await db
    .selectFrom('ledger')
    .select('at')
    .where('view_id', '=', viewId)
    .where('revision', '=', revision)
    .executeTakeFirst()
  return row?.at
}
