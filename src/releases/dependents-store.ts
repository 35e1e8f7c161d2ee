import type { Audience } from '../access/access.ts'
import { inserter } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { formatPackageName, packageOf } from '../package/ident.ts'
import type { PackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from './visible-store.ts'

// Reverse dependencies: the TDEPS of releases that are not deleted, by the releases that they name
// (habitat-today.md 6, Packages). Releases keep their own lists, which are read as a whole.

interface Dependent {
  readonly releaseId: number
  readonly packageId: number
  readonly target: Target
}

export async function insertDependencies(
  db: Db,
  { releaseId, packageId, target }: Dependent,
  tdeps: readonly string[],
): Promise<void> {
  const rows = [...new Set(tdeps)].map((ident) => ({
    dependency: packageOf(ident),
    ident,
  }))
  await insertRows(db, rows, { target, package_id: packageId, release_id: releaseId })
}

const insertRows = inserter('release_dependencies', ['dependency', 'ident'], {
  shared: ['target', 'package_id', 'release_id'],
})

export async function deleteDependencies(db: Db, { releaseId, packageId, target }: Dependent): Promise<void> {
  const { tdeps } = await db
    .selectFrom('releases')
    .select('tdeps')
    .where('id', '=', releaseId)
    .executeTakeFirstOrThrow()
  await db
    .deleteFrom('release_dependencies')
    .where('dependency', 'in', (JSON.parse(tdeps) as string[]).map(packageOf))
    .where('target', '=', target)
    .where('package_id', '=', packageId)
    .where('release_id', '=', releaseId)
    .execute()
}

/** Reports whether any release, whatever its visibility, needs a package. */
export async function hasDependents(db: Db, name: PackageName, target: Target): Promise<boolean> {
  const row = await db
    .selectFrom('release_dependencies')
    .select('release_id')
    .where('dependency', '=', formatPackageName(name))
    .where('target', '=', target)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Lists the packages (`origin/name`) with a visible release that needs a package, by text. Of origins whose
 * default is not public, only those in `members` are listed.
 */
export async function listDependents(
  db: Db,
  name: { origin: string; name: string },
  target: Target,
  { audience, members }: { audience: Audience; members: Audience },
): Promise<string[]> {
  const rows = await withDependents(db, { dependency: formatPackageName(name), target })
    .selectFrom('dependents')
    .innerJoin('packages', 'packages.id', 'dependents.package_id')
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select(['origins.name as origin', 'packages.name'])
    .$if(!members.seesAll, (query) =>
      query.where((eb) =>
        eb.or([eb('origins.default_visibility', '=', 'public'), eb('origins.name', 'in', members.origins)]),
      ),
    )
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('release_dependencies')
          .innerJoin('releases', 'releases.id', 'release_dependencies.release_id')
          .select('releases.id')
          .whereRef('release_dependencies.dependency', '=', 'dependents.dependency')
          .whereRef('release_dependencies.target', '=', 'dependents.target')
          .whereRef('release_dependencies.package_id', '=', 'dependents.package_id')
          .where((inner) => visibleTo(inner, audience)),
      ),
    )
    .execute()
  return rows.map(formatPackageName).toSorted()
}

/**
 * Adds a table `dependents` to a query, which has the packages that need a package. The query seeks from one
 * dependent to the next in the index, so its cost does not grow with the number of their releases. The list
 * begins with the id 0 and ends with NULL, which no package has.
 */
function withDependents(db: Db, { dependency, target }: { dependency: string; target: Target }) {
  return db.withRecursive('dependents(dependency, target, package_id)', (cte) =>
    cte
      .selectNoFrom((eb) => [
        eb.cast<string>(eb.val(dependency), 'text').as('dependency'),
        eb.cast<Target>(eb.val(target), 'text').as('target'),
        eb.cast<number | null>(eb.lit(0), 'integer').as('package_id'),
      ])
      .unionAll(
        cte
          .selectFrom('dependents')
          .select((eb) => [
            'dependents.dependency',
            'dependents.target',
            eb
              .selectFrom('release_dependencies')
              .select((inner) => inner.fn.min('release_dependencies.package_id').as('package_id'))
              .whereRef('release_dependencies.dependency', '=', 'dependents.dependency')
              .whereRef('release_dependencies.target', '=', 'dependents.target')
              .whereRef('release_dependencies.package_id', '>', 'dependents.package_id')
              .as('package_id'),
          ])
          .where('dependents.package_id', 'is not', null),
      ),
  )
}
