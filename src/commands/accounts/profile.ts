import { DepotError } from '../../errors.ts'
import type { Change } from '../../ledger/command-context.ts'
import { getAccountById, updateEmail } from '../../accounts/account-store.ts'
import { issueToken, revokeToken } from './admit.ts'
import { findProfileToken, markTokenOfProfile, ownsToken } from '../../accounts/profile-token-store.ts'
import type { ProfileToken } from '../../accounts/profile-token-store.ts'

// Changes that people make to their own account (habitat-today.md 6, Profile).

/** Changes the email address of an account. The ledger records the change without the address. */
export async function changeEmail(
  change: Change,
  input: { accountId: number; email: string },
): Promise<void> {
  const { name } = await getAccountById(change.trx, input.accountId)
  await updateEmail(change.trx, input.accountId, input.email, change.at)
  await change.record({ kind: 'profile-changed', account: name })
}

/** Replaces the account's profile token. Its other tokens are kept. */
export async function replaceProfileToken(
  change: Change,
  input: { accountId: number; hash: string; expiresAt?: number },
): Promise<ProfileToken> {
  const { trx, at } = change
  const { accountId, ...token } = input
  const { name } = await getAccountById(trx, accountId)
  const before = await findProfileToken(trx, accountId)
  if (before !== undefined) await revokeToken(change, { tokenId: before.id })
  const { tokenId } = await issueToken(change, { account: name, label: 'profile', ...token })
  await markTokenOfProfile(trx, tokenId)
  return { id: tokenId, accountId, createdAt: at }
}

/** Revokes a token of the account. Throws `token_not_owned` for a token of another account and for an absent token. */
export async function revokeOwnToken(
  change: Change,
  input: { accountId: number; tokenId: number },
): Promise<void> {
  const { accountId, tokenId } = input
  if (!(await ownsToken(change.trx, accountId, tokenId)))
    throw new DepotError('token_not_owned', `the account has no token ${tokenId}`)
  await revokeToken(change, { tokenId })
}
