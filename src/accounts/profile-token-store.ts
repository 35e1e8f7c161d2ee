import type { Db } from '../database/database.ts'

/** The token that the routes of Builder's profile page make, list and replace. An account has at most one. */
export interface ProfileToken {
  readonly id: number
  readonly accountId: number
  readonly createdAt: number
}

export async function findProfileToken(db: Db, accountId: number): Promise<ProfileToken | undefined> {
  const row = await db
    .selectFrom('tokens')
    .select(['id', 'account_id', 'created_at'])
    .where('account_id', '=', accountId)
    .where('is_profile', '=', 1)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return row && { id: row.id, accountId: row.account_id, createdAt: row.created_at }
}

/** Marks a token as the profile token. The account must have no other profile token. */
export async function markProfileToken(db: Db, tokenId: number): Promise<void> {
  await db.updateTable('tokens').set({ is_profile: 1 }).where('id', '=', tokenId).execute()
}

/** Reports whether the token belongs to the account and is not revoked. */
export async function ownsToken(db: Db, accountId: number, tokenId: number): Promise<boolean> {
  const row = await db
    .selectFrom('tokens')
    .select('id')
    .where('id', '=', tokenId)
    .where('account_id', '=', accountId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}
