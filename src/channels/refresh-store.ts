import type { Db } from '../database/database.ts'

// How up to date the channels of upstream origins are. Times are epoch milliseconds.

/** How up to date one channel of an upstream origin is. */
export interface Refreshed {
  readonly origin: string
  readonly channel: string
  /** When the last refresh ended, whatever its outcome. */
  readonly attemptedAt: number
  /** When the channel last had the same members as upstream. */
  readonly refreshedAt: number | undefined
  /** Why the channel does not have all members that upstream has, or has others, as a sentence. */
  readonly fault: string | undefined
  /** How many members the last refresh would have removed, if it was held because of them; otherwise 0. */
  readonly removals: number
}

/** Lists the channels for which a refresh was tried, by origin and channel. */
export async function listRefreshed(db: Db): Promise<Refreshed[]> {
  const rows = await db.selectFrom('refreshes').selectAll().orderBy('origin').orderBy('channel').execute()
  return rows.map((row) => ({
    origin: row.origin,
    channel: row.channel,
    attemptedAt: row.attempted_at,
    refreshedAt: row.refreshed_at ?? undefined,
    fault: row.fault ?? undefined,
    removals: row.removals,
  }))
}

/** Stores the outcome of a refresh. */
export async function storeRefreshed(
  db: Db,
  {
    origin,
    channel,
    at,
    isRefreshed = false,
    fault,
    removals = 0,
  }: {
    origin: string
    channel: string
    at: number
    isRefreshed?: boolean
    fault?: string
    removals?: number
  },
): Promise<void> {
  const outcome = {
    attempted_at: at,
    fault: fault ?? null,
    removals,
    ...(isRefreshed && { refreshed_at: at }),
  }
  await db
    .insertInto('refreshes')
    .values({ origin, channel, ...outcome })
    .onConflict((conflict) => conflict.columns(['origin', 'channel']).doUpdateSet(outcome))
    .execute()
}
