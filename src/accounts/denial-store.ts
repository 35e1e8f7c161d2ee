import type { Db } from '../database/database.ts'
import type { Denial } from './denials.ts'

/**
 * The maximum number of stored denials with an account, and likewise of denials without one. The two are
 * counted apart, so that callers without a token cannot displace denials of accounts.
 */
export const MAX_STORED_DENIALS = 5_000

export async function insertDenial(db: Db, denial: Denial): Promise<void> {
  await db
    .insertInto('denials')
    .values({
      first_at: denial.firstAt,
      last_at: denial.lastAt,
      requests: denial.requests,
      account: denial.account,
      token_id: denial.tokenId,
      network: denial.network,
      method: denial.method,
      route: denial.route,
      path: denial.path,
      code: denial.code,
    })
    .execute()
}

/** Deletes the oldest denials beyond {@link MAX_STORED_DENIALS}. */
export async function deleteOldDenials(db: Db): Promise<void> {
  for (const operator of ['is', 'is not'] as const) {
    const first = await db
      .selectFrom('denials')
      .select('id')
      .where('account', operator, null)
      .orderBy('id', 'desc')
      .offset(MAX_STORED_DENIALS)
      .limit(1)
      .executeTakeFirst()
    if (first !== undefined)
      await db.deleteFrom('denials').where('account', operator, null).where('id', '<=', first.id).execute()
  }
}

/** Lists denials whose last request was at `since` (epoch milliseconds) or later, newest first. */
export async function listDenials(
  db: Db,
  { since, account, limit }: { since: number; account: string | undefined; limit?: number },
): Promise<Denial[]> {
  const rows = await db
    .selectFrom('denials')
    .selectAll()
    .where('last_at', '>=', since)
    .$if(account !== undefined, (query) => query.where('account', '=', account ?? ''))
    .orderBy('last_at', 'desc')
    .orderBy('id', 'desc')
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
    .execute()
  return rows.map((row) => ({
    firstAt: row.first_at,
    lastAt: row.last_at,
    requests: row.requests,
    account: row.account,
    tokenId: row.token_id,
    network: row.network,
    method: row.method,
    route: row.route,
    path: row.path,
    code: row.code,
  }))
}
