import {
  deleteOldPageSessions,
  deletePageSession,
  findPageSession,
  insertPageSession,
  updatePageSessionUse,
} from '../../accounts/page-session-store.ts'
import { getToken } from '../../accounts/account-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { revokeToken } from './issue-token.ts'

/** How long a session lasts at most. It ends with its token, too. */
const LIFETIME_MS = 7 * 86_400_000

/**
 * Begins a session of the page for a browser that has proved to have a token. `hash` is the hash of its
 * cookie. With `ownsToken`, the token was made for this session. Throws `not_found` for an unknown token.
 */
export async function beginPageSession(
  context: CommandContext,
  { hash, tokenId, ownsToken }: { hash: string; tokenId: number; ownsToken: boolean },
): Promise<{ expiresAt: number }> {
  const { trx, clock } = context
  const token = await getToken(trx, tokenId)
  const expiresAt = Math.min(clock.now + LIFETIME_MS, token.expiresAt ?? Infinity)
  await insertPageSession(trx, { hash, tokenId, ownsToken, at: clock.now, expiresAt })
  await deleteOldPageSessions(trx, { tokenId, now: clock.now })
  return { expiresAt }
}

/** Stores that a session is in use, so that it does not end for idleness. */
export async function keepPageSession(context: CommandContext, { hash }: { hash: string }): Promise<void> {
  await updatePageSessionUse(context.trx, hash, context.clock.now)
}

/** Ends a session, if there is one. A token that was made for it is revoked. */
export async function endPageSession(context: CommandContext, { hash }: { hash: string }): Promise<void> {
  const session = await findPageSession(context.trx, hash)
  if (session === undefined) return
  await deletePageSession(context.trx, hash)
  const isValid = (await getToken(context.trx, session.tokenId)).revokedAt === undefined
  if (session.ownsToken && isValid) await revokeToken(context, { tokenId: session.tokenId })
}
