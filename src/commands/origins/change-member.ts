import type { Role } from '../../access/access.ts'
import { findAccount } from '../../accounts/account-store.ts'
import { DepotError, quote } from '../../errors.ts'
import type { Change } from '../../ledger/change.ts'
import { findRole, getOrigin } from '../../origins/origin-store.ts'
import { setMember } from './set-member.ts'

// What Builder's routes do to members, which differs from {@link setMember}: roles are only changed, and in its order of checks
// (habitat-today.md 6, Members). `actorId` is who asks.

/** Throws `forbidden` for the role `owner`, one's own role and the owner's, and then `not_found` for who is not a member. */
export async function changeRole(
  change: Change,
  input: { origin: string; account: string; role: Role; actorId: number },
): Promise<void> {
  const { trx } = change
  const { role } = input
  const origin = await getOrigin(trx, input.origin)
  const account = await findAccount(trx, input.account)
  if (role === 'owner')
    throw new DepotError('forbidden', `${origin.name} is given to another owner only by a transfer`)
  if (account?.id === input.actorId) throw new DepotError('forbidden', 'nobody changes their own role')
  if (account?.id === origin.ownerId)
    throw new DepotError('forbidden', `${account.name} owns ${origin.name}: its role cannot be changed`)
  if (account === undefined || (await findRole(trx, origin.id, account.id)) === undefined) {
    throw new DepotError('not_found', `${quote(input.account)} is not a member of ${origin.name}`)
  }
  await setMember(change, { origin: origin.name, account: account.name, role })
}

/** Nothing is done where there is no such member, as with whatever else is deleted twice. Throws `invalid_request` for the owner. */
export async function removeMember(
  change: Change,
  input: { origin: string; account: string },
): Promise<{ isChanged: boolean }> {
  const { trx } = change
  const origin = await getOrigin(trx, input.origin)
  const account = await findAccount(trx, input.account)
  const role = account && (await findRole(trx, origin.id, account.id))
  if (account === undefined || role === undefined) return { isChanged: false }
  if (role === 'owner')
    throw new DepotError(
      'invalid_request',
      `${account.name} owns ${origin.name}, which would be left without an owner`,
    )
  return setMember(change, { origin: origin.name, account: account.name, role: null })
}
