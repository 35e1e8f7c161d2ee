import type { Role } from '../../access/access.ts'
import { getAccount } from '../../accounts/account-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { deleteMember, findRole, getOrigin, insertMember, updateRole } from '../../origins/origin-store.ts'

/**
 * Sets an account's role in an origin; `role: null` ends the membership. Throws `not_found` for the origin,
 * the account or a missing membership, and `conflict` for the owner.
 */
export async function setMember(
  context: CommandContext,
  input: { origin: string; account: string; role: Exclude<Role, 'owner'> | null },
): Promise<{ isChanged: boolean }> {
  const { trx, at } = context
  const { role } = input
  const origin = await getOrigin(trx, input.origin)
  const account = await getAccount(trx, input.account)
  const before = await findRole(trx, origin.id, account.id)
  if (before === 'owner')
    throw new DepotError('conflict', `${account.name} owns ${origin.name}: its role cannot be changed`)
  if (before === role) return { isChanged: false }
  if (role === null) {
    if (before === undefined)
      throw new DepotError('not_found', `${account.name} is not a member of ${origin.name}`)
    await deleteMember(trx, origin.id, account.id)
  } else if (before === undefined) {
    await insertMember(trx, { originId: origin.id, accountId: account.id, role, at })
  } else {
    await updateRole(trx, { originId: origin.id, accountId: account.id, role, at })
  }
  await context.record(
    { kind: 'member-set', origin: origin.name, account: account.name, role },
    { originId: origin.id },
  )
  return { isChanged: true }
}
