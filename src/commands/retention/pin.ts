import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import {
  MAX_PINS,
  countDeletedAt,
  countPins,
  deletePin,
  findPin,
  upsertPin,
} from '../../retention/pin-store.ts'
import { getRevisionAt } from '../../revisions/revision-store.ts'
import { getPastView } from '../../revisions/view-store.ts'
import { expectMayFreeze } from '../views/freeze.ts'

/**
 * Pins a revision of a view: the releases that were in the view then are kept. Another reason replaces the
 * first. `deleted` counts the releases of that revision that are gone already. Throws `not_found` for the
 * view and for a future revision, `forbidden` if the caller may not freeze the view, and `conflict` at the
 * limit.
 */
export async function pinRevision(
  context: CommandContext,
  input: { view: string; revision: number; reason: string },
): Promise<{ isChanged: boolean; deleted: number }> {
  const { trx, at, actor, caller } = context
  const { revision, reason } = input
  const view = await getPastView(trx, input.view)
  expectMayFreeze(view, caller, undefined)
  await getRevisionAt(trx, view, { revision })
  const before = await findPin(trx, view.id, revision)
  const deleted = await countDeletedAt(trx, view.id, revision)
  if (before === reason) return { isChanged: false, deleted }
  if (before === undefined && (await countPins(trx)) >= MAX_PINS)
    throw new DepotError('conflict', `there are already ${MAX_PINS} pinned revisions: unpin some of them`)
  await upsertPin(trx, { viewId: view.id, revision, reason, accountId: actor.accountId, at })
  await context.record(
    { kind: 'revision-pinned', view: view.name, pinned: revision, reason },
    { viewId: view.id },
  )
  return { isChanged: true, deleted }
}

/** Removes the pin of a revision. Throws `not_found`, and `forbidden` like {@link pinRevision}. */
export async function unpinRevision(
  context: CommandContext,
  { view: name, revision }: { view: string; revision: number },
): Promise<void> {
  const { trx, caller } = context
  const view = await getPastView(trx, name)
  expectMayFreeze(view, caller, undefined)
  if ((await findPin(trx, view.id, revision)) === undefined)
    throw new DepotError('not_found', `revision ${revision} of ${view.name} is not pinned`)
  await deletePin(trx, view.id, revision)
  await context.record({ kind: 'revision-unpinned', view: view.name, pinned: revision }, { viewId: view.id })
}
