import { sql } from 'kysely'
import type { Expression } from 'kysely'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import { setState } from '../database/state-store.ts'
import type { Quota } from './quota.ts'

/** The `origin_id` of rows in `storage` that count the whole depot, and the `package_id` of all totals. */
export const TOTAL_ID = 0

/**
 * Returns the quotas that limit a release of an origin: the origin's quota and the depot's quota, each if it
 * is set. Without an origin, returns at most the depot's quota. The time does not grow with the number of
 * releases.
 */
export async function findQuotas(db: Db, origin: string | undefined): Promise<Quota[]> {
  const [row] = await quotasOf(db, { origin: origin ?? null })
  const { of_origin: ofOrigin = null, of_depot: ofDepot = null } = row ?? {}
  const quotas: Quota[] = []
  if (ofOrigin !== null) quotas.push({ origin, quotaBytes: ofOrigin, usedBytes: row?.used_by_origin ?? 0 })
  if (ofDepot !== null)
    quotas.push({ origin: undefined, quotaBytes: ofDepot, usedBytes: row?.used_by_depot ?? 0 })
  return quotas
}

/** An SQL expression for the quota of the depot in bytes. NULL means that there is no limit. */
export const depotQuota = sql<
  number | null
>`(SELECT CAST(value AS BIGINT) FROM depot_state WHERE name = 'quota_bytes')`

const quotasOf = prepared<{ origin: string | null }>()((db, { origin }) =>
  db
    .selectFrom(db.selectNoFrom(depotQuota.as('of_depot')).as('depot'))
    .leftJoin('origins', (on) => on.on('origins.name', '=', origin).on('origins.deleted_at', 'is', null))
    .select((eb) => [
      'origins.quota_bytes as of_origin',
      'depot.of_depot',
      usedIfLimited(eb.ref('origins.id').$castTo<number>(), eb.ref('origins.quota_bytes')).as(
        'used_by_origin',
      ),
      usedIfLimited(sql.lit(TOTAL_ID), eb.ref('depot.of_depot')).as('used_by_depot'),
    ]),
)

/** Returns an expression for the used bytes of a total, or NULL without a read if `quota` is NULL. */
function usedIfLimited(originId: Expression<number>, quota: Expression<number | null>) {
  return sql<
    number | null
  >`CASE WHEN ${quota} IS NOT NULL THEN (SELECT sum(bytes) FROM storage WHERE package_id = ${sql.lit(TOTAL_ID)} AND origin_id = ${originId}) END`
}

/** Lists all quotas that are set: first the depot's, then those of origins, by used share, largest first. */
export async function listQuotas(db: Db): Promise<Quota[]> {
  const rows = await db
    .selectFrom('origins')
    .leftJoin('storage', (on) =>
      on.on('storage.package_id', '=', TOTAL_ID).onRef('storage.origin_id', '=', 'origins.id'),
    )
    .select(['origins.name as origin', 'origins.quota_bytes as quota'])
    .select(sql<number>`coalesce(sum(storage.bytes), 0)`.as('used'))
    .where('origins.quota_bytes', 'is not', null)
    .where('origins.deleted_at', 'is', null)
    .groupBy('origins.id')
    .orderBy(sql`coalesce(sum(storage.bytes), 0) * 1.0 / origins.quota_bytes`, 'desc')
    .orderBy('origins.name')
    .execute()
  const ofOrigins = rows.map(({ origin, quota, used }) => ({
    origin,
    usedBytes: used,
    quotaBytes: quota ?? 0,
  }))
  return [...(await findQuotas(db, undefined)), ...ofOrigins]
}

/** Sets the quota of an origin in bytes. `undefined` removes the quota. */
export async function updateQuota(db: Db, originId: number, quotaBytes: number | undefined): Promise<void> {
  await db
    .updateTable('origins')
    .set({ quota_bytes: quotaBytes ?? null })
    .where('id', '=', originId)
    .execute()
}

/** Sets the quota of the depot in bytes. `undefined` removes the quota. */
export async function setDepotQuota(db: Db, quotaBytes: number | undefined): Promise<void> {
  await setState(db, 'quota_bytes', quotaBytes === undefined ? undefined : String(quotaBytes))
}
