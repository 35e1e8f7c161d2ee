import { DepotError } from '../../errors.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import {
  channelExists,
  deleteChannel,
  findChannel,
  hasChannels,
  insertChannel,
  markChannelDeclared,
} from '../../channels/channel-store.ts'
import type { Channel } from '../../channels/channel-store.ts'
import { endView, findObstacle } from './close-view.ts'
import { createView } from './create-view.ts'
import { listMembersOfOrigin } from '../../revisions/member-store.ts'
import { changeMembers } from './promote.ts'
import { UNSTABLE, hasGatesOrFreezes } from '../../views/view.ts'
import type { View } from '../../views/view.ts'
import { findView, getView, listViews } from '../../revisions/view-store.ts'

/**
 * Declares a channel of an origin, and creates the view if it does not exist. Throws `not_found` for the
 * origin, `invalid_request` for the name, `already_exists`, and `refused` for a preview.
 */
export async function declareChannel(
  context: CommandContext,
  input: { origin: string; name: string; ownerId: number },
): Promise<Channel> {
  const { trx, at } = context
  const origin = await getOrigin(trx, input.origin)
  const found = await findView(trx, input.name)
  if (found?.preview !== undefined)
    throw new DepotError('refused', `${found.name} is a preview, and cannot be a channel`)
  const view =
    found !== undefined && found.closedAt === undefined
      ? found
      : await createView(context, { name: input.name, rule: 'highest', maker: 'client' })
  if (await channelExists(trx, origin.id, view.id))
    throw new DepotError('already_exists', `the origin ${origin.name} has a channel ${view.name} already`)
  // The row may exist although the channel does not exist for clients.
  const before = await findChannel(trx, origin.id, view.id)
  if (before === undefined)
    await insertChannel(trx, {
      originId: origin.id,
      viewId: view.id,
      ownerId: input.ownerId,
      isDeclared: true,
      at,
    })
  else await markChannelDeclared(trx, before.id, input.ownerId, at)
  await context.record(
    { kind: 'channel-declared', origin: origin.name, view: view.name },
    { originId: origin.id, viewId: view.id },
  )
  const channel = await findChannel(trx, origin.id, view.id)
  if (channel === undefined)
    throw new Error(`the channel ${view.name} of ${origin.name} was declared but cannot be found`)
  return channel
}

/**
 * Returns the view of an origin's channel, and declares the channel if it does not exist. Throws like {@link
 * declareChannel}, except for `already_exists`.
 */
export async function ensureChannel(
  context: CommandContext,
  input: { origin: string; name: string; ownerId: number },
): Promise<View> {
  const { trx } = context
  const origin = await getOrigin(trx, input.origin)
  const found = await findView(trx, input.name)
  if (found === undefined || found.closedAt !== undefined || !(await channelExists(trx, origin.id, found.id)))
    await declareChannel(context, input)
  return getView(trx, input.name)
}

/**
 * Removes a channel, and demotes the origin's releases from its view in one revision. Does nothing if the
 * channel does not exist. A view that a Habitat client created is closed with its last channel, unless
 * administrators have set gates or freezes, or something keeps it open (see {@link findObstacle}). Throws
 * `not_found` for the origin, `refused` for `unstable` while it holds releases of the origin, and the errors
 * of {@link changeMembers}.
 */
export async function removeChannel(
  context: CommandContext,
  input: { origin: string; name: string },
): Promise<{ isChanged: boolean }> {
  const { trx, clock } = context
  const origin = await getOrigin(trx, input.origin)
  const view = await findView(trx, input.name)
  const channel = view && (await findChannel(trx, origin.id, view.id))
  if (view === undefined || channel === undefined) return { isChanged: false }
  const members = await context.read(`members of ${view.name}`, { views: [view.name] }, (db) =>
    listMembersOfOrigin(db, view, origin.id),
  )
  if (view.name === UNSTABLE && members.length > 0)
    throw new DepotError('refused', `nothing is demoted from ${UNSTABLE}: it holds every release`)
  if (members.length > 0)
    await changeMembers(
      context,
      view,
      { joining: [], leaving: members },
      { act: 'demote', cause: 'channel-removed', by: context.caller },
    )
  await deleteChannel(trx, channel.id)
  await context.record(
    { kind: 'channel-removed', origin: origin.name, view: view.name },
    { originId: origin.id, viewId: view.id },
  )
  const isUnused = view.maker === 'client' && !hasGatesOrFreezes(view) && !(await hasChannels(trx, view.id))
  if (isUnused && (await findObstacle(trx, view, { clock, others: await listViews(trx) })) === undefined)
    await endView(context, view)
  return { isChanged: true }
}
