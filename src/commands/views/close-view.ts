import type { Clock } from '../../clock.ts'
import type { Db } from '../../database/database.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { deleteChannelsOf } from '../../channels/channel-store.ts'
import { deleteRule } from '../../retention/rule-store.ts'
import { hasMembers } from '../../revisions/member-store.ts'
import { closeView as markClosed, getView, listPreviews, listViews } from '../../revisions/view-store.ts'
import { isInForce } from '../../views/freeze.ts'
import { PERMANENT_CHANNELS } from '../../views/view.ts'
import type { View } from '../../views/view.ts'

/**
 * Closes an empty view. Its history stays readable, and a new view of this name continues its revisions.
 * Throws `not_found`; `refused` for a preview, for `unstable` and `stable`, which every origin has as
 * channels, and for a frozen view; and `conflict` while the view has releases or previews, or the gates of
 * another view require it.
 */
export async function closeView(context: CommandContext, input: { view: string }): Promise<void> {
  const { trx, clock } = context
  const view = await getView(trx, input.view)
  const { name } = view
  if (view.preview !== undefined)
    throw new DepotError('refused', `${name} is a preview, and cannot be closed: delete it`)
  if (PERMANENT_CHANNELS.includes(name))
    throw new DepotError('refused', `${name} is a channel of every origin, and cannot be closed`)
  const obstacle = await findObstacle(trx, view, { clock, others: await listViews(trx) })
  if (obstacle !== undefined)
    throw new DepotError(obstacle.rule === 'freeze' ? 'refused' : 'conflict', obstacle.detail)
  await endView(context, view)
}

/** Closes a view that nothing keeps open. */
export async function endView(context: CommandContext, view: View): Promise<void> {
  const { trx, at } = context
  await deleteChannelsOf(trx, view.id)
  await markClosed(trx, view.id, at)
  await deleteRule(trx, { of: 'view', view: view.name })
  await context.record({ kind: 'view-closed', view: view.name }, { viewId: view.id })
}

/**
 * Returns what keeps a view from being closed: a freeze, releases, previews, or another view that requires
 * it. `others` are the open views.
 */
export async function findObstacle(
  db: Db,
  { id, name, freezes }: View,
  { clock, others }: { clock: Clock; others: readonly Pick<View, 'name' | 'gates'>[] },
): Promise<{ rule: 'freeze' | 'conflict'; detail: string } | undefined> {
  const freeze = freezes.find((candidate) => isInForce(candidate, clock.now))
  if (freeze !== undefined) return { rule: 'freeze', detail: `${name} is frozen: ${freeze.reason}` }
  if (await hasMembers(db, id))
    return {
      rule: 'conflict',
      detail: `${name} has releases: roll it back to revision 0 first, which empties it`,
    }
  if ((await listPreviews(db, { baseId: id })).length > 0)
    return { rule: 'conflict', detail: `${name} has previews: delete them first` }
  const dependent = others.find(({ gates }) => gates.requires?.some(({ view }) => view === name))
  return (
    dependent && {
      rule: 'conflict',
      detail: `the rules of ${dependent.name} require ${name}: change them first`,
    }
  )
}
