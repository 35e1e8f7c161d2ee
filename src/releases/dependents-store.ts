import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { formatPackageName, parseIdent } from '../package/ident.ts'
import type { PackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from './release-store.ts'

// Dependents: packages with another package among the TDEPS of any of their releases for a target. They are listed by name
// (habitat-today.md 6, Packages).

/** One package for one target. */
export interface DependentLine {
  readonly packageId: number
  readonly target: Target
}

export async function keepDependent(db: Db, line: DependentLine, tdeps: readonly string[]): Promise<void> {
  const names = new Set(tdeps.map((text) => formatPackageName(parseIdent(text))))
  if (names.size === 0) return
  const rows = [...names].map((dependency) => ({
    dependency,
    target: line.target,
    package_id: line.packageId,
  }))
  await db
    .insertInto('dependents')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Rebuilds the row from the remaining releases. */
export async function renewDependent(db: Db, line: DependentLine): Promise<void> {
  await db
    .deleteFrom('dependents')
    .where('package_id', '=', line.packageId)
    .where('target', '=', line.target)
    .execute()
  const left = await db
    .selectFrom('releases')
    .select('tdeps')
    .distinct()
    .where('package_id', '=', line.packageId)
    .where('target', '=', line.target)
    .where('deleted_at', 'is', null)
    .execute()
  await keepDependent(
    db,
    line,
    left.flatMap((row) => JSON.parse(row.tdeps) as string[]),
  )
}

/** Whether any package, whatever its visibility, depends on a package. */
export async function hasDependents(db: Db, name: PackageName, target: Target): Promise<boolean> {
  const row = await db
    .selectFrom('dependents')
    .select('package_id')
    .where('dependency', '=', formatPackageName(name))
    .where('target', '=', target)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * `origin/name` of each package that depends on another, by text: those that have a release to see which does and, of origins whose
 * default is not public, those of `members`.
 */
export async function listDependents(
  db: Db,
  name: { origin: string; name: string },
  target: Target,
  eyes: { audience: Audience; members: Audience },
): Promise<string[]> {
  const { audience, members } = eyes
  const dependency = formatPackageName(name)
  const rows = await db
    .selectFrom('dependents')
    .innerJoin('packages', 'packages.id', 'dependents.package_id')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select(['origins.name as origin', 'packages.name'])
    .where('dependents.dependency', '=', dependency)
    .where('dependents.target', '=', target)
    .$if(!members.seesAll, (query) =>
      query.where((eb) =>
        eb.or([eb('origins.default_visibility', '=', 'public'), eb('origins.name', 'in', members.origins)]),
      ),
    )
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('releases')
          .select('releases.id')
          .whereRef('releases.package_id', '=', 'dependents.package_id')
          .whereRef('releases.target', '=', 'dependents.target')
          .where('releases.deleted_at', 'is', null)
          .where((inner) => visibleTo(inner, audience))
          .where(sql<SqlBool>`instr(releases.tdeps, ${`"${dependency}/`}) > 0`),
      ),
    )
    .execute()
  return rows.map(formatPackageName).toSorted()
}
