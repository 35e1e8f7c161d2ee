import type { Db } from '../database/database.ts'

/** A browser that is signed in to the page. Times are epoch milliseconds. */
export interface PageSession {
  readonly tokenId: number
  /** Whether the token was made for this session alone. */
  readonly ownsToken: boolean
  /** A few minutes late. */
  readonly usedAt: number
  readonly expiresAt: number
}

/** The maximum number of sessions with one token. The oldest end when there are more. */
export const MAX_SESSIONS_OF_TOKEN = 50
/** The maximum number of expired sessions that one command deletes. */
const MAX_DELETED_SESSIONS = 100

/** Finds a session by the hash of its cookie. The caller must check whether it has expired. */
export async function findPageSession(db: Db, hash: string): Promise<PageSession | undefined> {
  const row = await db
    .selectFrom('page_sessions')
    .select(['token_id', 'owns_token', 'used_at', 'expires_at'])
    .where('hash', '=', hash)
    .executeTakeFirst()
  return (
    row && {
      tokenId: row.token_id,
      ownsToken: row.owns_token === 1,
      usedAt: row.used_at,
      expiresAt: row.expires_at,
    }
  )
}

export async function insertPageSession(
  db: Db,
  session: { hash: string; tokenId: number; ownsToken: boolean; at: number; expiresAt: number },
): Promise<void> {
  await db
    .insertInto('page_sessions')
    .values({
      hash: session.hash,
      token_id: session.tokenId,
      owns_token: session.ownsToken ? 1 : 0,
      created_at: session.at,
      used_at: session.at,
      expires_at: session.expiresAt,
    })
    .execute()
}

/** Stores when a session was used. */
export async function updatePageSessionUse(db: Db, hash: string, at: number): Promise<void> {
  await db.updateTable('page_sessions').set({ used_at: at }).where('hash', '=', hash).execute()
}

export async function deletePageSession(db: Db, hash: string): Promise<void> {
  await db.deleteFrom('page_sessions').where('hash', '=', hash).execute()
}

/** Deletes some sessions that have expired, and the oldest of a token beyond the limit. */
export async function deleteOldPageSessions(
  db: Db,
  { tokenId, now }: { tokenId: number; now: number },
): Promise<void> {
  const expired = db
    .selectFrom('page_sessions')
    .select('hash')
    .where('expires_at', '<', now)
    .limit(MAX_DELETED_SESSIONS)
  await db.deleteFrom('page_sessions').where('hash', 'in', expired).execute()
  const surplus = db
    .selectFrom('page_sessions')
    .select('hash')
    .where('token_id', '=', tokenId)
    .orderBy('created_at', 'desc')
    .offset(MAX_SESSIONS_OF_TOKEN)
    .limit(MAX_DELETED_SESSIONS)
  await db.deleteFrom('page_sessions').where('hash', 'in', surplus).execute()
}
