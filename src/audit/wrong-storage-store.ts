import type { AliasableExpression } from 'kysely'
import type { Db } from '../database/database.ts'
import type { StorageTable } from '../database/schema.ts'

// Compares the stored sizes of packages, of origins and of the depot with sizes that are summed up from the
// releases themselves.

/** One side of a mismatch: the stored size, or the size of the releases. */
export interface WrongSize {
  readonly kind: 'stored' | 'counted'
  /** `undefined` for the whole depot. */
  readonly origin: string | undefined
  /** `undefined` for a whole origin, or the depot. */
  readonly package: string | undefined
  readonly month: string
  readonly releases: number
  readonly bytes: number
}

/** Lists at most `limit` wrong sizes of each kind. A missing row equals a row of zeros. */
export async function listWrongSizes(db: Db, limit: number): Promise<WrongSize[]> {
  // EXCEPT compares columns by position.
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

/** Sums up the releases with bytes. Shared bytes count once in each total. */
function recount(db: Db) {
  const ofBlobs = db
    .selectFrom('releases')
    .innerJoin('storage_totals as totals', 'totals.counted_id', 'releases.package_id')
    .innerJoin('needed_blobs as blobs', 'blobs.checksum', 'releases.checksum')
    .select(['totals.package_id', 'totals.origin_id', 'blobs.month', 'blobs.size_bytes'])
    .select((eb) => eb.fn.countAll<number>().as('releases'))
    .where('releases.deleted_at', 'is', null)
    .groupBy(['totals.package_id', 'totals.origin_id', 'blobs.checksum'])
  return db
    .selectFrom(ofBlobs.as('of_blobs'))
    .select(['package_id', 'origin_id', 'month'])
    .select((eb) => [
      eb.fn.sum<number>('releases').as('releases'),
      eb.fn.sum<number>('size_bytes').as('bytes'),
    ])
    .groupBy(['package_id', 'origin_id', 'month'])
}

/** Reads the rows with the names of their packages and origins. */
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
