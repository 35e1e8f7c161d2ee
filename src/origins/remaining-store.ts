import type { Db } from '../database/database.ts'

/** The contents that prevent the deletion of an origin. */
export interface Remaining {
  readonly members: number
  readonly secrets: number
  readonly integrations: number
  /** The number of releases, which Builder calls packages. */
  readonly packages: number
  /** The number of packages with settings. */
  readonly settings: number
}

export async function countRemaining(db: Db, originId: number): Promise<Remaining> {
  const countIn = async (table: 'origin_members' | 'origin_secrets' | 'integrations') => {
    const { count } = await db
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('origin_id', '=', originId)
      .executeTakeFirstOrThrow()
    return count
  }
  const packages = await db
    .selectFrom('releases')
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('packages.origin_id', '=', originId)
    .where('releases.deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  const settings = await db
    .selectFrom('package_settings')
    .innerJoin('packages', 'packages.id', 'package_settings.package_id')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('packages.origin_id', '=', originId)
    .executeTakeFirstOrThrow()
  return {
    members: await countIn('origin_members'),
    secrets: await countIn('origin_secrets'),
    integrations: await countIn('integrations'),
    packages: packages.count,
    settings: settings.count,
  }
}
