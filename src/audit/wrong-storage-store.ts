import type { AliasableExpression } from 'kysely'
import type { Db } from '../database/database.ts'
import type { StorageTable } from '../database/tables/storage.ts'

// Compares the stored sizes of packages, origins and the depot with sizes that it computes from the releases.

/** One side of a mismatch: the size that is stored, or the size that was computed from the releases. */
export interface WrongSize {
  readonly kind: 'stored' | 'counted'
  /** `undefined` for the whole depot. */
  readonly origin: string | undefined
  /** `undefined` for a whole origin or the depot. */
  readonly package: string | undefined
  /** For example `2026-01`, in UTC. */
  readonly month: string
  readonly releases: number
  readonly bytes: number
}

/**
 * Compares all sizes, and lists those that differ, at most `limit` of each kind. A mismatch appears with the
 * stored size and with the counted size. A side that is missing does not appear, and a stored row of zeros
 * counts as missing.
 */
export async function listWrongSizes(db: Db, limit: number): Promise<WrongSize[]> {
  // EXCEPT compares columns by position, so both queries select the same columns in the same order.
  const stored = db
    .selectFrom('storage')
    .select(['package_id', 'origin_id', 'month', 'releases', 'bytes'])
    .where((eb) => eb.or([eb('releases', '<>', 0), eb('bytes', '<>', 0)]))
  const counted = recount(db)
  return [
    ...(await readNamed(db, 'stored', stored.except(counted), limit)),
    ...(await readNamed(db, 'counted', counted.except(stored), limit)),
  ]
}

/**
 * Computes all totals from the releases that have bytes. Bytes that releases share count once in each total.
 */
function recount(db: Db) {
  const ofBlobs = db
    .selectFrom('releases')
    .innerJoin('storage_totals as totals', 'totals.counted_id', 'releases.package_id')
    .innerJoin('needed_blobs as blobs', 'blobs.checksum', 'releases.checksum')
    .select(['totals.package_id', 'totals.origin_id', 'blobs.month', 'blobs.size_bytes'])
    .select((eb) => eb.fn.countAll<number>().as('releases'))
    .where('releases.deleted_at', 'is', null)
    .groupBy(['totals.package_id', 'totals.origin_id', 'blobs.checksum', 'blobs.month', 'blobs.size_bytes'])
  return db
    .selectFrom(ofBlobs.as('of_blobs'))
    .select(['package_id', 'origin_id', 'month'])
    .select((eb) => [
      eb.fn.sum<number>('releases').as('releases'),
      eb.fn.sum<number>('size_bytes').as('bytes'),
    ])
    .groupBy(['package_id', 'origin_id', 'month'])
}

/** Replaces the ids in the rows by the names of their packages and origins. */
async function readNamed(
  db: Db,
  kind: WrongSize['kind'],
  rows: AliasableExpression<StorageTable>,
  limit: number,
): Promise<WrongSize[]> {
  const wrong = await db
    .selectFrom(rows.as('wrong'))
    .leftJoin('packages', 'packages.id', 'wrong.package_id')
    .leftJoin('origins', 'origins.id', 'wrong.origin_id')
    .select(['origins.name as origin', 'packages.name as package'])
    .select(['wrong.month', 'wrong.releases', 'wrong.bytes'])
    .limit(limit)
    .execute()
  return wrong.map((row) => ({
    ...row,
    kind,
    origin: row.origin ?? undefined,
    package: row.package ?? undefined,
  }))
}
