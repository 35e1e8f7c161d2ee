import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { SAME_RIGHT, runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { Scope } from '../../access/access.ts'
import { findTokenByHash, getAccount, insertToken, markTokenRevoked } from '../../accounts/account-store.ts'
import { expectMayNarrowOrRevoke } from './change-token.ts'

interface NewToken {
  readonly account: string
  readonly hash: string
  readonly label: string
  readonly scope?: Scope
  /** Epoch milliseconds. If absent, the token does not expire by itself. */
  readonly expiresAt?: number
}

/** The job or the person who gets the token, if it comes from an exchange or a sign-in. */
interface Recipient {
  readonly exchange?: { readonly rule: string; readonly issuer: string; readonly subject: string }
  readonly signIn?: { readonly issuer: string; readonly subject: string; readonly groups: readonly string[] }
}

/**
 * Stores a token of an account. The submitter makes the token and shows it; the depot stores only its hash.
 * With an idempotency key, `sealed` is the token, which the submitter has encrypted, and a repeated request
 * returns it. A token never outlives the token that created it. Throws `not_found` for an unknown account,
 * `conflict` if the account is disabled, `already_exists` if the depot has a token with this hash, and
 * `idempotency_mismatch` if the key was used for another request.
 */
export async function issueToken(
  context: CommandContext,
  input: NewToken & Recipient & { idempotency?: IdempotencyKey; sealed?: string },
): Promise<{ tokenId: number; sealed?: string }> {
  const { idempotency, sealed, ...token } = input
  return runOnce<{ tokenId: number; sealed?: string }>(context, idempotency, SAME_RIGHT, async () => ({
    ...(await insertNewToken(context, token)),
    ...(sealed !== undefined && { sealed }),
  }))
}

async function insertNewToken(
  context: CommandContext,
  input: NewToken & Recipient,
): Promise<{ tokenId: number }> {
  const account = await getAccount(context.trx, input.account)
  if (account.disabledAt !== undefined)
    throw new DepotError('conflict', `the account ${account.name} is disabled: enable it first`)
  const { hash, label, scope = {}, exchange, signIn } = input
  const before = await findTokenByHash(context.trx, hash)
  if (before !== undefined)
    throw new DepotError('already_exists', `the depot already has this token, with the ID ${before.id}`)
  const expiresAt = earliest(
    input.expiresAt,
    context.caller === 'operator' ? undefined : context.caller.expiresAt,
  )
  const tokenId = await insertToken(context.trx, {
    accountId: account.id,
    hash,
    label,
    scope,
    expiresAt,
    isBrief: exchange !== undefined || signIn !== undefined,
    groups: signIn?.groups ?? groupsToPassOn(context, account.id),
    at: context.at,
  })
  await context.record({
    kind: 'token-issued',
    account: account.name,
    token: tokenId,
    label,
    expiresAt: expiresAt ?? null,
    ...(exchange !== undefined && { exchange }),
    ...(signIn !== undefined && { signIn: { issuer: signIn.issuer, subject: signIn.subject } }),
  })
  return { tokenId }
}

/** Returns the caller's groups if the new token is for the caller's own account, and otherwise none. */
function groupsToPassOn({ caller }: CommandContext, accountId: number): readonly string[] {
  return caller !== 'operator' && caller.accountId === accountId ? caller.groups : []
}

function earliest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

/**
 * Revokes a token. Throws the errors of `expectMayNarrowOrRevoke`, and `conflict` if the token is already
 * revoked.
 */
export async function revokeToken(
  context: CommandContext,
  input: { tokenId: number },
): Promise<{ account: string }> {
  await expectMayNarrowOrRevoke(context, input.tokenId)
  const account = await markTokenRevoked(context.trx, input.tokenId, context.at)
  await context.record({ kind: 'token-revoked', account, token: input.tokenId })
  return { account }
}
