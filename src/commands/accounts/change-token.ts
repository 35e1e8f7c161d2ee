import { DepotError, refusalOf } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { Scope } from '../../access/access.ts'
import { expectMayManageTokensOf } from '../../access/rights.ts'
import { getToken, tokenNotFound, updateLastUse, updateToken } from '../../accounts/account-store.ts'

export interface NarrowToken {
  readonly tokenId: number
  /** Absent fields keep their values. */
  readonly scope: Scope
  /** Epoch milliseconds. If absent, the token keeps its expiry. */
  readonly expiresAt?: number
}

/**
 * Takes rights from a token, or makes it expire earlier. Throws the errors of
 * {@link expectMayNarrowOrRevoke}, `conflict` for a revoked token, and `forbidden` with a part for each field
 * by which the token would gain rights.
 */
export async function narrowToken(
  context: CommandContext,
  input: NarrowToken,
): Promise<{ isChanged: boolean }> {
  await expectMayNarrowOrRevoke(context, input.tokenId)
  const token = await getToken(context.trx, input.tokenId)
  if (token.revokedAt !== undefined) throw new DepotError('conflict', `token ${token.id} is revoked`)
  const { expiresAt = token.expiresAt } = input
  const scope = { ...token.scope, ...input.scope }
  const gains = listGains(token, { scope, expiresAt })
  if (gains.length > 0) throw refusalOf('forbidden', gains)
  if (expiresAt === token.expiresAt && FIELDS.every((field) => isSame(scope[field], token.scope[field])))
    return { isChanged: false }
  await updateToken(context.trx, token.id, { scope, expiresAt })
  await context.record({
    kind: 'token-narrowed',
    account: token.account,
    token: token.id,
    expiresAt: expiresAt ?? null,
  })
  return { isChanged: true }
}

/**
 * Stores when tokens were last used (`at` in epoch milliseconds). Records no ledger entry, because nothing
 * was changed.
 */
export async function saveTokenUses(
  context: CommandContext,
  input: { uses: readonly { tokenId: number; at: number }[] },
): Promise<void> {
  for (const { tokenId, at } of input.uses) await updateLastUse(context.trx, tokenId, at)
}

/**
 * Checks that the caller may narrow or revoke a token. Every token may narrow or revoke itself. Throws
 * `not_found` if the token is absent, or belongs to another account and the caller is no administrator.
 * Throws `forbidden` if the caller's own token lacks the right.
 */
export async function expectMayNarrowOrRevoke(
  { trx, caller }: CommandContext,
  tokenId: number,
): Promise<void> {
  if (caller === 'operator' || caller.tokenId === tokenId) return
  const { account } = await getToken(trx, tokenId)
  if (account !== caller.accountName && !caller.isAdministrator) throw tokenNotFound(tokenId)
  expectMayManageTokensOf(caller, account)
}

const FIELDS = ['actions', 'origins', 'views'] as const

type Rights = { readonly scope: Scope; readonly expiresAt: number | undefined }

/** Returns a part of an error for each field by which a token would gain rights. */
function listGains(before: Rights, after: Rights): ErrorPart[] {
  const gains: ErrorPart[] = []
  for (const field of FIELDS) {
    const had: readonly string[] | undefined = before.scope[field]
    const gained = had === undefined ? [] : (after.scope[field] ?? []).filter((name) => !had.includes(name))
    if (gained.length > 0)
      gains.push({
        detail: `a token can only lose rights, and this one lacks the ${field} ${gained.join(', ')}`,
        pointer: `/${field}`,
      })
  }
  if (before.expiresAt !== undefined && (after.expiresAt ?? Infinity) > before.expiresAt)
    gains.push({ detail: 'a token can only expire earlier', pointer: '/expires' })
  return gains
}

function isSame(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
