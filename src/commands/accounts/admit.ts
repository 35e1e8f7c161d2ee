import { DepotError, quote } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { Scope } from '../../access/access.ts'
import { ACCOUNT_NAME, MAX_ACCOUNT_NAME_LENGTH } from '../../access/account-name.ts'
import {
  findAccount,
  getAccount,
  insertAccount,
  insertToken,
  markTokenRevoked,
} from '../../accounts/account-store.ts'
import { expectMayLessen } from './change-token.ts'

/** A repeated request needs no more than the right that the writer has checked. */
const SAME_RIGHT = { expectStill: async () => undefined }

/** Creates an account. Throws `invalid_request` for the name, and `already_exists`. */
export async function addAccount(
  context: CommandContext,
  input: { name: string; email?: string; isAdministrator?: boolean; idempotency?: IdempotencyKey },
): Promise<{ accountId: number }> {
  return runOnce(context, input.idempotency, SAME_RIGHT, () => insertNewAccount(context, input))
}

async function insertNewAccount(
  context: CommandContext,
  { name, email, isAdministrator = false }: { name: string; email?: string; isAdministrator?: boolean },
): Promise<{ accountId: number }> {
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

interface NewToken {
  readonly account: string
  readonly hash: string
  readonly label: string
  readonly scope?: Scope
  readonly expiresAt?: number
}

/**
 * Stores a token of an account. The submitter makes and shows the token; only its hash is stored. With an
 * idempotency key the submitter sends the token encrypted, too, which is the answer to a repeated request. A
 * token expires with the token that made it. Throws `not_found` for the account, and `conflict` if it is
 * disabled.
 */
export async function issueToken(
  context: CommandContext,
  input: NewToken & { idempotency?: IdempotencyKey; sealed?: string },
): Promise<{ tokenId: number; sealed?: string }> {
  const { idempotency, sealed, ...token } = input
  return runOnce<{ tokenId: number; sealed?: string }>(context, idempotency, SAME_RIGHT, async () => ({
    ...(await insertNewToken(context, token)),
    ...(sealed !== undefined && { sealed }),
  }))
}

async function insertNewToken(context: CommandContext, input: NewToken): Promise<{ tokenId: number }> {
  const account = await getAccount(context.trx, input.account)
  if (account.disabledAt !== undefined)
    throw new DepotError('conflict', `the account ${account.name} is disabled: enable it first`)
  const { hash, label, scope = {} } = input
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

function earliest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

/**
 * Revokes a token. Throws `not_found`, also if the caller may not know of the token, and `conflict` if it is
 * revoked.
 */
export async function revokeToken(
  context: CommandContext,
  input: { tokenId: number },
): Promise<{ account: string }> {
  await expectMayLessen(context, input.tokenId)
  const account = await markTokenRevoked(context.trx, input.tokenId, context.at)
  await context.record({ kind: 'token-revoked', account, token: input.tokenId })
  return { account }
}
