import { findAccount, getAccount } from '../../accounts/account-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { findRole, getOrigin, insertMember, updateOwner, updateRole } from '../../origins/origin-store.ts'
import { setMember } from './set-member.ts'

/**
 * Transfers an origin to another member. The former owner becomes a maintainer (habitat-today.md 6), or
 * leaves the origin. With `toAnyone`, which administrators of the depot may set, the new owner need not be a
 * member. Throws `not_found`, `transfer_to_owner`, `conflict` for a disabled account, and `forbidden` for an
 * account that is not a member or, without `toAnyone`, does not exist.
 */
export async function transferOrigin(
  context: CommandContext,
  input: {
    origin: string
    account: string
    toAnyone?: boolean
    formerOwner?: 'maintainer' | 'removed'
  },
): Promise<void> {
  const { trx, at } = context
  const { toAnyone = false, formerOwner = 'maintainer' } = input
  const origin = await getOrigin(trx, input.origin)
  const recipient = await (toAnyone ? getAccount : findAccount)(trx, input.account)
  if (recipient?.id === origin.ownerId)
    throw new DepotError('transfer_to_owner', `${recipient.name} owns ${origin.name} already`)
  const role = recipient && (await findRole(trx, origin.id, recipient.id))
  if (recipient === undefined || (role === undefined && !toAnyone))
    throw new DepotError('forbidden', `${quote(input.account)} is not a member of ${origin.name}`)
  if (recipient.disabledAt !== undefined)
    throw new DepotError('conflict', `the account ${recipient.name} is disabled and cannot own an origin`)
  const member = { originId: origin.id, accountId: recipient.id, role: 'owner', at } as const
  await updateRole(trx, { originId: origin.id, accountId: origin.ownerId, role: 'maintainer', at })
  await (role === undefined ? insertMember(trx, member) : updateRole(trx, member))
  await updateOwner(trx, origin.id, recipient.id, at)
  await context.record(
    { kind: 'origin-transferred', origin: origin.name, from: origin.owner, to: recipient.name },
    { originId: origin.id },
  )
  if (formerOwner === 'removed')
    await setMember(context, { origin: origin.name, account: origin.owner, role: null })
}
