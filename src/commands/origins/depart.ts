import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { findOrigin, findRole } from '../../origins/origin-store.ts'
import { setMember } from './set-member.ts'

/**
 * Ends the caller's membership of an origin (habitat-today.md 6, Depart). Throws `owner_cannot_depart`, and
 * `not_origin_member` if the caller is not a member or the origin does not exist.
 */
export async function departOrigin(
  context: CommandContext,
  input: { origin: string; account: string; accountId: number },
): Promise<void> {
  const origin = await findOrigin(context.trx, input.origin)
  const role = origin && (await findRole(context.trx, origin.id, input.accountId))
  if (role === undefined)
    throw new DepotError(
      'not_origin_member',
      `${input.account} is not a member of the origin ${quote(input.origin)}`,
    )
  if (role === 'owner') throw new DepotError('owner_cannot_depart', `${input.account} owns ${input.origin}`)
  await setMember(context, { origin: input.origin, account: input.account, role: null })
}
