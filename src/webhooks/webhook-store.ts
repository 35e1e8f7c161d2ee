import type { Selectable } from 'kysely'
import type { Db } from '../database/database.ts'
import type { WebhooksTable } from '../database/tables/webhooks.ts'
import { DepotError, quote } from '../errors.ts'
import type { Progress } from './progress.ts'
import type { EntryFilter } from '../events/entry-filter.ts'
import type { Webhook, WebhookSettings } from './webhook.ts'

export async function findWebhook(db: Db, name: string): Promise<Webhook | undefined> {
  const row = await withMaker(db).where('webhooks.name', '=', name).executeTakeFirst()
  return row && fromRow(row)
}

/** Returns the webhook of this name. Throws `not_found`. */
export async function getWebhook(db: Db, name: string): Promise<Webhook> {
  const webhook = await findWebhook(db, name)
  if (webhook === undefined) throw new DepotError('not_found', `there is no webhook ${quote(name)}`)
  return webhook
}

/** Lists webhooks by name. */
export async function listWebhooks(
  db: Db,
  slice: { after?: string | undefined; limit: number },
): Promise<Webhook[]> {
  const rows = await withMaker(db)
    .where('webhooks.name', '>', slice.after ?? '')
    .orderBy('webhooks.name')
    .limit(slice.limit)
    .execute()
  return rows.map(fromRow)
}

export async function countWebhooks(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('webhooks')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

export async function insertWebhook(
  db: Db,
  webhook: WebhookSettings & { makerId: number | undefined; position: number; at: number },
): Promise<void> {
  await db
    .insertInto('webhooks')
    .values({
      name: webhook.name,
      key: webhook.key,
      host: webhook.host,
      url: webhook.sealedUrl,
      secret: webhook.sealedSecret,
      filter: JSON.stringify(webhook.filter),
      maker_id: webhook.makerId ?? null,
      created_at: webhook.at,
      ...progressRow(webhook),
    })
    .execute()
}

/** Writes a webhook that an administrator changed, with the next version. */
export async function updateWebhook(db: Db, webhook: Webhook): Promise<void> {
  const { key, host, sealedUrl, sealedSecret, previous, filter, version, progress } = webhook
  await db
    .updateTable('webhooks')
    .set({
      host,
      url: sealedUrl,
      secret: sealedSecret,
      previous_secret: previous?.sealedSecret ?? null,
      previous_until: previous?.until ?? null,
      filter: JSON.stringify(filter),
      version: version + 1,
      ...progressRow(progress),
    })
    .where('key', '=', key)
    .execute()
}

/**
 * Stores the progress of a webhook, unless it was changed or removed since this version. Progress never goes
 * back, and a pause at the same place stays: a node that delivered before may store what it knows late.
 */
export async function updateProgress(
  db: Db,
  { key, version, progress }: Pick<Webhook, 'key' | 'version' | 'progress'>,
): Promise<void> {
  const { position, replay } = progress
  await db
    .updateTable('webhooks')
    .set(progressRow(progress))
    .where('key', '=', key)
    .where('version', '=', version)
    .where((eb) =>
      eb.or([
        eb('position', '<', position),
        eb.and([
          eb('position', '=', position),
          eb('paused_at', 'is', null),
          ...(replay === undefined ? [] : [eb('replay_next', '<=', replay.next)]),
        ]),
      ]),
    )
    .execute()
}

/** Deletes a webhook and its deliveries. Returns false if there is none. */
export async function deleteWebhook(db: Db, name: string): Promise<boolean> {
  const deleted = await db.deleteFrom('webhooks').where('name', '=', name).returning('id').execute()
  return deleted.length > 0
}

function withMaker(db: Db) {
  return db
    .selectFrom('webhooks')
    .leftJoin('accounts', 'accounts.id', 'webhooks.maker_id')
    .selectAll('webhooks')
    .select('accounts.name as maker')
}

function progressRow(progress: Partial<Progress> & Pick<Progress, 'position'>) {
  return {
    position: progress.position,
    replay_next: progress.replay?.next ?? null,
    replay_to: progress.replay?.to ?? null,
    attempts: progress.attempts ?? 0,
    next_attempt_at: progress.nextAttemptAt ?? null,
    failing_since: progress.failingSince ?? null,
    paused_at: progress.pause?.at ?? null,
    paused_why: progress.pause?.why ?? null,
  }
}

function fromRow(row: Selectable<WebhooksTable> & { maker: string | null }): Webhook {
  const {
    previous_secret: previousSecret,
    previous_until: previousUntil,
    replay_next: next,
    replay_to: to,
    paused_at: pausedAt,
    paused_why: pausedWhy,
  } = row
  return {
    name: row.name,
    key: row.key,
    host: row.host,
    sealedUrl: row.url,
    sealedSecret: row.secret,
    previous:
      previousSecret === null || previousUntil === null
        ? undefined
        : { sealedSecret: previousSecret, until: previousUntil },
    filter: JSON.parse(row.filter) as EntryFilter,
    maker: row.maker ?? undefined,
    version: row.version,
    createdAt: row.created_at,
    progress: {
      position: row.position,
      replay: next === null || to === null ? undefined : { next, to },
      attempts: row.attempts,
      nextAttemptAt: row.next_attempt_at ?? undefined,
      failingSince: row.failing_since ?? undefined,
      pause: pausedAt === null || pausedWhy === null ? undefined : { at: pausedAt, why: pausedWhy },
    },
  }
}
