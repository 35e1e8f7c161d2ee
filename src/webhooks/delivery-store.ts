import type { Db } from '../database/database.ts'
import { KEPT_DELIVERIES } from './webhook.ts'
import type { Delivery } from './webhook.ts'

/** A delivery with its place in the list, from which the next page continues. */
export interface ListedDelivery extends Delivery {
  readonly place: number
}

/** Lists the deliveries of a webhook, newest first. */
export async function listDeliveries(
  db: Db,
  key: string,
  slice: { before: number | undefined; limit: number },
): Promise<ListedDelivery[]> {
  const { before, limit } = slice
  const rows = await db
    .selectFrom('webhook_deliveries')
    .innerJoin('webhooks', 'webhooks.id', 'webhook_deliveries.webhook_id')
    .selectAll('webhook_deliveries')
    .where('webhooks.key', '=', key)
    .$if(before !== undefined, (query) => query.where('webhook_deliveries.id', '<', before ?? 0))
    .orderBy('webhook_deliveries.id', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    place: row.id,
    sequence: row.sequence,
    attempt: row.attempt,
    at: row.at,
    durationMs: row.duration_ms,
    status: row.status ?? undefined,
    error: row.error ?? undefined,
    excerpt: row.excerpt,
  }))
}

/**
 * Adds deliveries in order, and deletes the oldest beyond the limit. Does nothing if the webhook no longer
 * exists.
 */
export async function insertDeliveries(db: Db, key: string, deliveries: readonly Delivery[]): Promise<void> {
  const webhook = await db.selectFrom('webhooks').select('id').where('key', '=', key).executeTakeFirst()
  if (webhook === undefined) return
  for (const { sequence, attempt, at, durationMs, status, error, excerpt } of deliveries) {
    await db
      .insertInto('webhook_deliveries')
      .values({
        webhook_id: webhook.id,
        sequence,
        attempt,
        at,
        duration_ms: durationMs,
        status: status ?? null,
        error: error ?? null,
        excerpt,
      })
      .execute()
  }
  await db
    .deleteFrom('webhook_deliveries')
    .where('webhook_id', '=', webhook.id)
    .where('id', '<=', (eb) =>
      eb
        .selectFrom('webhook_deliveries')
        .select('id')
        .where('webhook_id', '=', webhook.id)
        .orderBy('id', 'desc')
        .limit(1)
        .offset(KEPT_DELIVERIES),
    )
    .execute()
}
