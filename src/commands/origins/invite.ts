import { hasRole } from '../../access/access.ts'
import type { Authority } from '../../access/access.ts'
import { getAccount } from '../../accounts/account-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { Invitation } from '../../origins/invitation-store.ts'
import {
  deleteInvitation,
  findInvitation,
  findInvitationOf,
  insertInvitation,
  markInvitationIgnored,
} from '../../origins/invitation-store.ts'
import { findRole, getOrigin } from '../../origins/origin-store.ts'
import { setMember } from './set-member.ts'

interface NewInvitation {
  readonly origin: string
  readonly account: string
  readonly inviterId: number
}

/** An invitation as clients name it. */
interface Named {
  readonly origin: string
  readonly invitationId: number
}

/**
 * Invites an account to an origin. Throws `not_found` for the origin or the account, and `already_exists` for
 * a member or an invited account.
 */
export async function invite(
  context: CommandContext,
  { idempotency, ...input }: NewInvitation & { idempotency?: IdempotencyKey },
): Promise<Invitation> {
  return runOnce(context, idempotency, SAME_RIGHT, () => insertNewInvitation(context, input))
}

async function insertNewInvitation(context: CommandContext, input: NewInvitation): Promise<Invitation> {
  const { trx, at } = context
  const origin = await getOrigin(trx, input.origin)
  const account = await getAccount(trx, input.account)
  if ((await findRole(trx, origin.id, account.id)) !== undefined)
    throw new DepotError('already_exists', `${account.name} is a member of ${origin.name} already`)
  if ((await findInvitationOf(trx, origin.id, account.id)) !== undefined)
    throw new DepotError('already_exists', `${account.name} is invited to ${origin.name} already`)
  const invitationId = await insertInvitation(trx, {
    originId: origin.id,
    accountId: account.id,
    inviterId: input.inviterId,
    at,
  })
  await context.record(
    { kind: 'member-invited', origin: origin.name, account: account.name },
    { originId: origin.id },
  )
  return getInvitation(context, { origin: origin.name, invitationId })
}

/**
 * Accepts an invitation. The invited account joins with the lowest role, also if a maintainer accepts for it
 * (habitat-today.md 6). An account that is a member by now keeps its role. Throws `not_found` and
 * `forbidden`.
 */
export async function acceptInvitation(context: CommandContext, input: Named): Promise<void> {
  const { trx } = context
  const { id, origin, originId, account, accountId } = await getDecidable(context, input)
  await deleteInvitation(trx, id)
  await context.record({ kind: 'invitation-ended', origin, account, how: 'accepted' }, { originId })
  if ((await findRole(trx, originId, accountId)) === undefined)
    await setMember(context, { origin, account, role: 'readonly_member' })
}

/** Hides the invitation from its account. The origin still sees it. Throws `not_found` and `forbidden`. */
export async function ignoreInvitation(
  context: CommandContext,
  input: Named,
): Promise<{ isChanged: boolean }> {
  const { id, origin, originId, account, isIgnored } = await getDecidable(context, input)
  if (isIgnored) return { isChanged: false }
  await markInvitationIgnored(context.trx, id, context.at)
  await context.record({ kind: 'invitation-ended', origin, account, how: 'ignored' }, { originId })
  return { isChanged: true }
}

/** Withdraws an invitation. Throws `not_found` and `forbidden`. */
export async function rescindInvitation(context: CommandContext, input: Named): Promise<void> {
  const { id, origin, originId, account } = await getDecidable(context, input)
  await deleteInvitation(context.trx, id)
  await context.record({ kind: 'invitation-ended', origin, account, how: 'rescinded' }, { originId })
}

/**
 * Returns an invitation that the caller may accept, ignore or rescind. Throws `not_found`, and the error of
 * {@link expectMayDecide}.
 */
async function getDecidable(context: CommandContext, named: Named): Promise<Invitation> {
  const invitation = await getInvitation(context, named)
  expectMayDecide(context.caller, invitation)
  return invitation
}

/** Throws `forbidden` unless the caller is the invited account or a maintainer of the origin. */
export function expectMayDecide(caller: Authority, { id, origin, accountId }: Invitation): void {
  if (caller === 'operator' || accountId === caller.accountId || hasRole(caller, origin, 'maintainer')) return
  throw new DepotError(
    'forbidden',
    `${caller.accountName} is neither invited by the invitation ${id} nor a maintainer of ${origin}`,
  )
}

async function getInvitation({ trx }: CommandContext, { origin, invitationId }: Named): Promise<Invitation> {
  const invitation = await findInvitation(trx, origin, invitationId)
  if (invitation === undefined)
    throw new DepotError('not_found', `there is no invitation ${invitationId} to ${origin}`)
  return invitation
}
