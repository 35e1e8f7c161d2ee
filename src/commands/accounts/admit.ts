import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { Scope } from '../../access/access.ts'
import { ACCOUNT_NAME, MAX_ACCOUNT_NAME_LENGTH } from '../../access/account-name.ts'
import {
  findAccount,
  getAccount,
  insertAccount,
  insertToken,
  markTokenRevoked,
} from '../../accounts/account-store.ts'

export async function addAccount(
  context: CommandContext,
  input: { name: string; email?: string; isAdministrator?: boolean },
): Promise<{ accountId: number }> {
  const { name, email, isAdministrator = false } = input
  if (!ACCOUNT_NAME.test(name) || name.length > MAX_ACCOUNT_NAME_LENGTH) {
    throw new DepotError(
      'invalid_request',
      `${quote(name)} is not an account's name: letters, digits and . _ -, at most ${MAX_ACCOUNT_NAME_LENGTH}`,
    )
  }
  if ((await findAccount(context.trx, name)) !== undefined)
    throw new DepotError('already_exists', `the account ${quote(name)} exists already`)
  const accountId = await insertAccount(context.trx, { name, email, isAdministrator, at: context.at })
  await context.record({ kind: 'account-added', account: name, isAdministrator })
  return { accountId }
}

/** Stores a token of an account. The submitter makes and shows the token; only its hash is sent and stored. */
export async function issueToken(
  context: CommandContext,
  input: { account: string; hash: string; label: string; scope?: Scope; expiresAt?: number },
): Promise<{ tokenId: number }> {
  const account = await getAccount(context.trx, input.account)
  const { hash, label, scope = {}, expiresAt } = input
  const tokenId = await insertToken(context.trx, {
    accountId: account.id,
    hash,
    label,
    scope,
    expiresAt,
    at: context.at,
  })
  await context.record({
    kind: 'token-issued',
    account: account.name,
    token: tokenId,
    label,
    expiresAt: expiresAt ?? null,
  })
  return { tokenId }
}

export async function revokeToken(
  context: CommandContext,
  input: { tokenId: number },
): Promise<{ account: string }> {
  const account = await markTokenRevoked(context.trx, input.tokenId, context.at)
  await context.record({ kind: 'token-revoked', account, token: input.tokenId })
  return { account }
}
