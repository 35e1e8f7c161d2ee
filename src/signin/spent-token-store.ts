import type { Db } from '../database/database.ts'

/** How long a spent token is remembered after it has expired, in case the clock is set back. */
const KEPT_MS = 24 * 60 * 60_000

/** An ID token that was exchanged, and the token of the depot that it was exchanged for. */
export interface SpentToken {
  readonly hash: string
  readonly idempotencyKey: string | undefined
  readonly tokenId: number
  /** When the ID token expires, in epoch milliseconds. */
  readonly expiresAt: number
}

export async function findSpentToken(db: Db, hash: string): Promise<SpentToken | undefined> {
  const row = await db.selectFrom('spent_tokens').selectAll().where('hash', '=', hash).executeTakeFirst()
  return (
    row && {
      hash: row.hash,
      idempotencyKey: row.idempotency_key ?? undefined,
      tokenId: row.token_id,
      expiresAt: row.expires_at,
    }
  )
}

/** Notes that an ID token was exchanged, and for which token now. */
export async function writeSpentToken(db: Db, spent: SpentToken): Promise<void> {
  await db
    .insertInto('spent_tokens')
    .values({
      hash: spent.hash,
      idempotency_key: spent.idempotencyKey ?? null,
      token_id: spent.tokenId,
      expires_at: spent.expiresAt,
    })
    .onConflict((on) => on.column('hash').doUpdateSet({ token_id: spent.tokenId }))
    .execute()
}

/** Forgets tokens that nobody could exchange anyway. `now` is the wall clock. */
export async function deleteExpiredSpentTokens(db: Db, now: number): Promise<void> {
  await db
    .deleteFrom('spent_tokens')
    .where('expires_at', '<', now - KEPT_MS)
    .execute()
}
