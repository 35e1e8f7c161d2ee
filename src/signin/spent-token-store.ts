import type { Db } from '../database/database.ts'

/** How long the depot keeps a spent token after it has expired, in case the clock is set back. */
const KEPT_MS = 24 * 60 * 60_000

/** An ID token that was exchanged, and the depot's token for which it was exchanged. */
export interface SpentToken {
  /** The hash of the ID token; see `VerifiedToken`. */
  readonly hash: string
  /** The idempotency key of the first exchange. */
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

/** Stores a spent token. If it is stored already, only `tokenId` is replaced. */
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

/**
 * Deletes spent tokens that expired more than a day ago. The depot would refuse these anyway, because they
 * have expired. `now` is the wall clock in epoch milliseconds.
 */
export async function deleteExpiredSpentTokens(db: Db, now: number): Promise<void> {
  await db
    .deleteFrom('spent_tokens')
    .where('expires_at', '<', now - KEPT_MS)
    .execute()
}
