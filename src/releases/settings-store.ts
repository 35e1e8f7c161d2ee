import type { Audience, Visibility } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { Page } from './ident-count-store.ts'
import { hasNotPublic, hasVisible } from './visible-store.ts'

/** The settings of a package: the visibility of its future releases. Times are epoch milliseconds. */
export interface PackageSettings {
  readonly packageId: number
  readonly origin: string
  readonly name: string
  readonly visibility: Visibility
  readonly ownerId: number
  readonly createdAt: number
  readonly updatedAt: number
}

export async function findSettings(
  db: Db,
  origin: string,
  name: string,
): Promise<PackageSettings | undefined> {
  const [row] = await settingsByName(db, { origin, name })
  return row && settingsOf(row)
}

const settingsByName = prepared<{ origin: string; name: string }>()((db, { origin, name }) =>
  settings(db).where('origins.name', '=', origin).where('packages.name', '=', name),
)

/** Lists the settings of an origin's packages that the audience may see, by name. */
export async function listSettings(
  db: Db,
  origin: string,
  page: { offset: number; limit: number },
  audience: Audience,
): Promise<Page<PackageSettings>> {
  const seesAll = audience.seesAll || audience.origins.includes(origin)
  const matching = settings(db)
    .where('origins.name', '=', origin)
    .$if(!seesAll, (query) =>
      query
        .where('package_settings.visibility', '=', 'public')
        // The name of a package is private if its releases are private. Without releases, its settings
        // decide.
        .where((eb) => eb.or([hasVisible(eb, audience), eb.not(hasNotPublic(eb))])),
    )
  const { total } = await matching
    .clearSelect()
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await matching.orderBy('packages.name').limit(page.limit).offset(page.offset).execute()
  return { items: rows.map(settingsOf), total }
}

export async function insertSettings(
  db: Db,
  row: { packageId: number; visibility: Visibility; ownerId: number; at: number },
): Promise<void> {
  await newSettings(db, row)
}

const newSettings = prepared<{ packageId: number; visibility: Visibility; ownerId: number; at: number }>()(
  (db, { packageId, visibility, ownerId, at }) =>
    db
      .insertInto('package_settings')
      .values({ package_id: packageId, visibility, owner_id: ownerId, created_at: at, updated_at: at }),
)

export async function updateSettings(
  db: Db,
  packageId: number,
  visibility: Visibility,
  at: number,
): Promise<void> {
  await db
    .updateTable('package_settings')
    .set({ visibility, updated_at: at })
    .where('package_id', '=', packageId)
    .execute()
}

export async function deleteSettings(db: Db, packageId: number): Promise<void> {
  await db.deleteFrom('package_settings').where('package_id', '=', packageId).execute()
}

function settings(db: Db) {
  return db
    .selectFrom('package_settings')
    .innerJoin('packages', 'packages.id', 'package_settings.package_id')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .selectAll('package_settings')
    .select(['origins.name as origin', 'packages.name'])
}

type Row = Awaited<ReturnType<ReturnType<typeof settings>['executeTakeFirstOrThrow']>>

function settingsOf(row: Row): PackageSettings {
  return {
    packageId: row.package_id,
    origin: row.origin,
    name: row.name,
    visibility: row.visibility,
    ownerId: row.owner_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
