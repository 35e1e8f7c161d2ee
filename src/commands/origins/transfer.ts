import { findAccount } from '../../accounts/account-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { findRole, getOrigin, updateOwner, updateRole } from '../../origins/origin-store.ts'

/**
 * Transfers an origin to another member. The former owner becomes a maintainer (habitat-today.md 6). Throws
 * `not_found`, `transfer_to_owner`, and `forbidden` for an account that is not a member or does not exist.
 */
export async function transferOrigin(
  context: CommandContext,
  input: { origin: string; account: string },
): Promise<void> {
  const { trx, at } = context
  const origin = await getOrigin(trx, input.origin)
  const recipient = await findAccount(trx, input.account)
  if (recipient?.id === origin.ownerId)
    throw new DepotError('transfer_to_owner', `${recipient.name} owns ${origin.name} already`)
  if (recipient === undefined || (await findRole(trx, origin.id, recipient.id)) === undefined) {
    throw new DepotError('forbidden', `${quote(input.account)} is not a member of ${origin.name}`)
  }
  await updateRole(trx, { originId: origin.id, accountId: origin.ownerId, role: 'maintainer', at })
  await updateRole(trx, { originId: origin.id, accountId: recipient.id, role: 'owner', at })
  await updateOwner(trx, origin.id, recipient.id, at)
  await context.record(
    { kind: 'origin-transferred', origin: origin.name, from: origin.owner, to: recipient.name },
    { originId: origin.id },
  )
}
