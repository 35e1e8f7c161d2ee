import type { Role } from '../../access/access.ts'
import { findAccount } from '../../accounts/account-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { findRole, getOrigin } from '../../origins/origin-store.ts'
import { setMember } from './set-member.ts'

// The commands of Builder's member routes. Unlike {@link setMember}, they only change existing members, and
// check in Builder's order (habitat-today.md 6, Members).

/**
 * Changes the role of a member. `actorId` is the caller's account. Throws `not_found` for the origin, then
 * `forbidden` for the role `owner`, for the caller's own role and for the owner's role, and then `not_found`
 * for an account that is not a member.
 */
export async function changeRole(
  context: CommandContext,
  input: { origin: string; account: string; role: Role; actorId: number },
): Promise<void> {
  const { trx } = context
  const { role } = input
  const origin = await getOrigin(trx, input.origin)
  const account = await findAccount(trx, input.account)
  if (role === 'owner')
    throw new DepotError('forbidden', `${origin.name} is given to another owner only by a transfer`)
  if (account?.id === input.actorId)
    throw new DepotError('forbidden', 'an account may not change its own role')
  if (account?.id === origin.ownerId)
    throw new DepotError('forbidden', `${account.name} owns ${origin.name}: its role cannot be changed`)
  if (account === undefined || (await findRole(trx, origin.id, account.id)) === undefined) {
    throw new DepotError('not_found', `${quote(input.account)} is not a member of ${origin.name}`)
  }
  await setMember(context, { origin: origin.name, account: account.name, role })
}

/**
 * Removes a member. Does nothing if the account is not a member. Throws `not_found` for the origin, and
 * `invalid_request` for the owner.
 */
export async function removeMember(
  context: CommandContext,
  input: { origin: string; account: string },
): Promise<{ isChanged: boolean }> {
  const { trx } = context
  const origin = await getOrigin(trx, input.origin)
  const account = await findAccount(trx, input.account)
  const role = account && (await findRole(trx, origin.id, account.id))
  if (account === undefined || role === undefined) return { isChanged: false }
  if (role === 'owner')
    throw new DepotError(
      'invalid_request',
      `${account.name} owns ${origin.name}, which would be left without an owner`,
    )
  return setMember(context, { origin: origin.name, account: account.name, role: null })
}
