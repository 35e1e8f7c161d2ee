import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { deleteChannelsOf } from '../../channels/channel-store.ts'
import { hasMembers } from '../../revisions/member-store.ts'
import { closeView as markClosed, getView, listPreviews, listViews } from '../../revisions/view-store.ts'
import { isInForce } from '../../views/freeze.ts'
import { PERMANENT_CHANNELS } from '../../views/view.ts'

/**
 * Closes an empty view. Its history stays readable, and a new view of this name continues its revisions.
 * Throws `not_found`; `refused` for a preview, for `unstable` and `stable`, which every origin has as
 * channels, and for a frozen view; and `conflict` while the view has releases or previews, or the rules of
 * another view require it.
 */
export async function closeView(context: CommandContext, input: { view: string }): Promise<void> {
  const { trx, at, clock } = context
  const view = await getView(trx, input.view)
  const { name } = view
  if (view.preview !== undefined) throw new DepotError('refused', `${name} is a preview, which is dropped`)
  if (PERMANENT_CHANNELS.includes(name))
    throw new DepotError('refused', `${name} is a channel of every origin, and cannot be closed`)
  const freeze = view.freezes.find((candidate) => isInForce(candidate, clock.now))
  if (freeze !== undefined) throw new DepotError('refused', `${name} is frozen: ${freeze.reason}`)
  if (await hasMembers(trx, view.id))
    throw new DepotError(
      'conflict',
      `${name} has releases: roll it back to revision 0 first, which empties it`,
    )
  if ((await listPreviews(trx, { baseId: view.id })).length > 0)
    throw new DepotError('conflict', `${name} has previews: delete them first`)
  const dependent = (await listViews(trx)).find(({ gates }) =>
    gates.requires?.some((requirement) => requirement.view === name),
  )
  if (dependent !== undefined)
    throw new DepotError('conflict', `the rules of ${dependent.name} require ${name}: change them first`)
  await deleteChannelsOf(trx, view.id)
  await markClosed(trx, view.id, at)
  await context.record({ kind: 'view-closed', view: name }, { viewId: view.id })
}
