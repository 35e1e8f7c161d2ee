import { sql } from 'kysely'
import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { TOTAL_ID, depotQuota } from './quota-store.ts'

// The bytes that releases use, from totals that triggers update (migrations/sqlite/0030-storage.sql). Deleted
// releases and releases without stored bytes do not count. Bytes that several releases share count once in
// each total, so the sum of the totals of all origins may exceed the total of the depot.

/** The size of a set of releases. */
export interface Size {
  readonly releases: number
  readonly bytes: number
}

/** The part of a total that the depot received in one month. */
export interface MonthSize extends Size {
  /** For example `2026-01`, in UTC. */
  readonly month: string
}

/** The size of an origin or of the depot, and its quota in bytes, if any. */
export interface Storage extends Size {
  readonly quotaBytes: number | undefined
  /** Newest first. Months without releases are left out. */
  readonly months: readonly MonthSize[]
}

/** Returns the size of the depot, and its quota. */
export async function readDepotStorage(db: Db): Promise<Storage> {
  const { quota } = await db.selectNoFrom(depotQuota.as('quota')).executeTakeFirstOrThrow()
  return { ...(await readMonths(db, TOTAL_ID)), quotaBytes: quota ?? undefined }
}

/** Returns the size of an existing origin, and its quota. */
export async function readOriginStorage(db: Db, originId: number): Promise<Storage> {
  const row = await db
    .selectFrom('origins')
    .select('quota_bytes')
    .where('id', '=', originId)
    .executeTakeFirstOrThrow()
  return { ...(await readMonths(db, originId)), quotaBytes: row.quota_bytes ?? undefined }
}

async function readMonths(db: Db, originId: number): Promise<Omit<Storage, 'quotaBytes'>> {
  const months = await db
    .selectFrom('storage')
    .select(['month', 'releases', 'bytes'])
    .where('package_id', '=', TOTAL_ID)
    .where('origin_id', '=', originId)
    .where('releases', '>', 0)
    .orderBy('month', 'desc')
    .execute()
  return {
    months,
    releases: months.reduce((sum, { releases }) => sum + releases, 0),
    bytes: months.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** The size of a listed package. */
export interface NamedSize extends Size {
  readonly name: string
}

/** The size of a listed origin, and its quota in bytes, if it has one. */
export interface OriginSize extends NamedSize {
  readonly quotaBytes: number | undefined
}

interface SizePage {
  /** The last name on the previous page. */
  readonly after: string | undefined
  readonly limit: number
  /** Counts only bytes that the depot received before this month, for example `2026-01`. */
  readonly before: string | undefined
}

/**
 * Lists the sizes of origins, by name. Lists every origin if the audience sees all, and otherwise the origins
 * in which the audience has a role.
 */
export async function listOriginSizes(
  db: Db,
  { after, limit, before }: SizePage,
  audience: Audience,
): Promise<OriginSize[]> {
  const rows = await db
    .selectFrom('origins')
    .leftJoin('storage', (on) =>
      on
        .on('storage.package_id', '=', TOTAL_ID)
        .onRef('storage.origin_id', '=', 'origins.id')
        .on('storage.month', '<', before ?? AFTER_ALL_MONTHS),
    )
    .select(['origins.name', ...sums])
    .select((eb) => eb.fn.max('origins.quota_bytes').as('quota_bytes')) // the only one of the group
    .where('origins.deleted_at', 'is', null)
    .where('origins.name', '>', after ?? '')
    .$if(!audience.seesAll, (query) => query.where('origins.name', 'in', audience.origins))
    .groupBy('origins.name')
    .orderBy('origins.name')
    .limit(limit)
    .execute()
  return rows.map(({ quota_bytes, ...size }) => ({ ...size, quotaBytes: quota_bytes ?? undefined }))
}

/** Lists the sizes of those packages of an origin that have counted releases, by name. */
export async function listPackageSizes(
  db: Db,
  originId: number,
  { after, limit, before }: SizePage,
): Promise<NamedSize[]> {
  return db
    .selectFrom('packages')
    .innerJoin('storage', (on) =>
      on
        .onRef('storage.package_id', '=', 'packages.id')
        .onRef('storage.origin_id', '=', 'packages.origin_id')
        .on('storage.month', '<', before ?? AFTER_ALL_MONTHS)
        .on('storage.releases', '>', 0),
    )
    .select(['packages.name', ...sums])
    .where('packages.origin_id', '=', originId)
    .where('packages.name', '>', after ?? '')
    .groupBy('packages.name')
    .orderBy('packages.name')
    .limit(limit)
    .execute()
}

/** A text that sorts after every month. */
const AFTER_ALL_MONTHS = '9999-99'

const sums = [
  sql<number>`coalesce(sum(storage.releases), 0)`.as('releases'),
  sql<number>`coalesce(sum(storage.bytes), 0)`.as('bytes'),
] as const
