import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getAccountById, updateEmail } from '../../accounts/account-store.ts'
import { issueToken, revokeToken } from './issue-token.ts'
import { findProfileToken, markProfileToken, ownsToken } from '../../accounts/profile-token-store.ts'
import type { ProfileToken } from '../../accounts/profile-token-store.ts'

// Changes that people make to their own account (habitat-today.md 6, Profile).

/**
 * Changes the email address of an account. The ledger records the change without the address. Throws
 * `not_found`.
 */
export async function changeEmail(
  context: CommandContext,
  input: { accountId: number; email: string },
): Promise<void> {
  const { name } = await getAccountById(context.trx, input.accountId)
  await updateEmail(context.trx, input.accountId, input.email, context.at)
  await context.record({ kind: 'profile-changed', account: name })
}

/**
 * Revokes the account's profile token, which Builder's profile page shows, and issues another. `hash` is the
 * hash of the new token, and `expiresAt` is in epoch milliseconds. Other tokens of the account stay valid.
 * Throws `not_found` for an unknown account, and `conflict` if the account is disabled.
 */
export async function replaceProfileToken(
  context: CommandContext,
  input: { accountId: number; hash: string; expiresAt?: number },
): Promise<ProfileToken> {
  const { trx, at } = context
  const { accountId, ...token } = input
  const { name } = await getAccountById(trx, accountId)
  const before = await findProfileToken(trx, accountId)
  if (before !== undefined) await revokeToken(context, { tokenId: before.id })
  const { tokenId } = await issueToken(context, { account: name, label: 'profile', ...token })
  await markProfileToken(trx, tokenId)
  return { id: tokenId, accountId, createdAt: at }
}

/**
 * Revokes a token of the account. Throws `token_not_owned` for a token that is absent, already revoked, or of
 * another account.
 */
export async function revokeOwnToken(
  context: CommandContext,
  input: { accountId: number; tokenId: number },
): Promise<void> {
  const { accountId, tokenId } = input
  if (!(await ownsToken(context.trx, accountId, tokenId)))
    throw new DepotError('token_not_owned', `the account has no token ${tokenId}`)
  await revokeToken(context, { tokenId })
}
