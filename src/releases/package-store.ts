import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { PackageType } from '../hart/metadata.ts'
import { formatPackageName } from '../package/ident.ts'

export async function findPackageId(db: Db, originId: number, name: string): Promise<number | undefined> {
  const [row] = await packageByName(db, { originId, name })
  return row?.id
}

const packageByName = prepared<{ originId: number; name: string }>()((db, { originId, name }) =>
  db.selectFrom('packages').select('id').where('origin_id', '=', originId).where('name', '=', name),
)

/** Inserts a package. Returns its id. */
export async function insertPackage(db: Db, originId: number, name: string): Promise<number> {
  const [row] = await newPackage(db, { originId, name })
  if (row === undefined) throw new Error('an inserted package has an id')
  return row.id
}

const newPackage = prepared<{ originId: number; name: string }>()((db, { originId, name }) =>
  db.insertInto('packages').values({ origin_id: originId, name }).returning('id'),
)

/** Returns the type of a package's releases; `undefined` if all of them are deleted. */
export async function findPackageType(db: Db, packageId: number): Promise<PackageType | undefined> {
  const [row] = await typeOfPackage(db, { packageId })
  return row?.package_type
}

const typeOfPackage = prepared<{ packageId: number }>()((db, { packageId }) =>
  db
    .selectFrom(usingIndex('releases', 'releases_of_package'))
    .select('package_type')
    .where('package_id', '=', packageId)
    .where('deleted_at', 'is', null)
    .limit(1),
)

/** Returns the names (`origin/name`) of all packages, by id. */
export async function readPackageNames(db: Db): Promise<Map<number, string>> {
  const rows = await db
    .selectFrom('packages')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select(['packages.id', 'origins.name as origin', 'packages.name'])
    .execute()
  return new Map(rows.map((row) => [row.id, formatPackageName(row)]))
}
