import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import { findHeadOf } from './ledger-store.ts'
import { matchesMark } from './position.ts'
import type { Position } from './position.ts'

/**
 * Checks that the view had this revision with this mark. Accepts every position without a mark. Throws
 * `other_history` if the mark differs, because the depot was then restored from an older copy.
 */
export async function expectRevisionKnown(
  db: Db,
  view: { id: number; name: string; revision: number },
  position: Position,
): Promise<void> {
  if (position.mark === undefined) return
  const { number, mark } = position
  if (number > view.revision)
    throw new DepotError(
      'other_history',
      `${view.name} is at revision ${view.revision} and was never at ${number}-${mark}: the depot was restored from an older copy`,
    )
  const { hash } = await findHeadOf(db, view.id, number)
  if (!matchesMark(position, hash))
    throw new DepotError(
      'other_history',
      `revision ${number} of ${view.name} is not ${number}-${mark}: the depot was restored from an older copy`,
    )
}
