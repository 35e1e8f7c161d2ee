import { UNRESTRICTED_AUDIENCE } from '../../access/access.ts'
import { deleteGroupRoles } from '../../accounts/group-role-store.ts'
import { DepotError } from '../../errors.ts'
import { removeChannel } from '../views/channel.ts'
import { listChannelNames } from '../../channels/channel-store.ts'
import { PERMANENT_CHANNELS } from '../../views/view.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin, markOriginDeleted } from '../../origins/origin-store.ts'
import { deleteRulesOfOrigin } from '../../retention/rule-store.ts'
import { countRemaining } from '../../origins/remaining-store.ts'

/** The owner is a member who cannot be removed. The counts in messages include the owner. */
const STAYING_MEMBERS = 1

/**
 * Deletes an origin that has only its owner, its keys and its permanent channels (habitat-today.md 6). Throws
 * `not_found`, `origin_from_upstream`, and `origin_not_empty` for the first kind of thing that remains, in
 * Builder's order and with Builder's text.
 */
export async function deleteOrigin(context: CommandContext, input: { origin: string }): Promise<void> {
  const { trx, at } = context
  const origin = await getOrigin(trx, input.origin)
  if (origin.isUpstream)
    throw new DepotError(
      'origin_from_upstream',
      `the origin ${origin.name} comes from the upstream depot: hart-depot upstream disown ${origin.name}, then delete it`,
    )
  const remaining = await countRemaining(trx, origin.id)
  const channels = await listChannelNames(trx, origin.name, {
    audience: UNRESTRICTED_AUDIENCE,
    withJobChannels: true,
  })
  const refuse = (count: number, things: string, hint = '') => {
    throw new DepotError(
      'origin_not_empty',
      `There are ${count} ${things} remaining in origin ${origin.name}.${hint}`,
    )
  }
  if (remaining.members > STAYING_MEMBERS) refuse(remaining.members, 'members')
  if (remaining.secrets > 0) refuse(remaining.secrets, 'secrets')
  if (remaining.integrations > 0) refuse(remaining.integrations, 'integrations')
  if (channels.length > PERMANENT_CHANNELS.length)
    refuse(channels.length, 'channels', ` Only two are allowed [${PERMANENT_CHANNELS.join(', ')}].`)
  if (remaining.packages > 0) refuse(remaining.packages, 'packages')
  if (remaining.settings > 0) refuse(remaining.settings, 'package settings entries')
  for (const name of channels) await removeChannel(context, { origin: origin.name, name })
  await markOriginDeleted(trx, origin.id, at)
  await deleteRulesOfOrigin(trx, origin.name)
  await deleteGroupRoles(trx, origin.id)
  await context.record({ kind: 'origin-deleted', origin: origin.name }, { originId: origin.id })
}
