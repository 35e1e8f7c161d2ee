import type { Audience } from '../access/access.ts'
import { inserter } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { formatPackageName, packageOf } from '../package/ident.ts'
import type { PackageName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { visibleTo } from './visible-store.ts'

// Reverse dependencies: which releases need a package (habitat-today.md 6, Packages). The table
// `release_dependencies` has a row for each ident in the TDEPS of each release that is not deleted. The row
// of a release has its dependencies, too, as one list.

/** A release that has dependencies. */
interface Dependent {
  readonly releaseId: number
  readonly packageId: number
  readonly target: Target
}

/** Inserts the rows of a new release. */
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

/** Deletes the rows of a release that is deleted. */
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

/**
 * Reports whether any release for the target needs a package. The visibility of the release does not matter.
 */
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
 * Lists the packages (`origin/name`) with a visible release that needs a package, by text. Omits packages of
 * origins whose default visibility is not public, unless the origin is in `members`.
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

/** A release that needs another one, and its place in the list. */
export interface DependentRelease {
  readonly ident: string
  readonly target: Target
  readonly place: readonly [packageId: number, releaseId: number]
}

/**
 * Lists the visible releases whose TDEPS name a release, by package, then by release. Both are in the order
 * in which they were first published.
 */
export async function listDependentReleases(
  db: Db,
  { ident, target }: { ident: string; target: Target },
  page: { after: DependentRelease['place'] | undefined; limit: number },
  audience: Audience,
): Promise<DependentRelease[]> {
  const rows = await db
    .selectFrom('release_dependencies')
    .innerJoin('releases', 'releases.id', 'release_dependencies.release_id')
    .select(['releases.ident', 'releases.target', 'release_dependencies.package_id', 'releases.id'])
    .where('release_dependencies.dependency', '=', packageOf(ident))
    .where('release_dependencies.target', '=', target)
    .where('release_dependencies.ident', '=', ident)
    .where((eb) => visibleTo(eb, audience))
    .where((eb) =>
      eb(
        eb.refTuple('release_dependencies.package_id', 'release_dependencies.release_id'),
        '>',
        eb.tuple(...(page.after ?? ([0, 0] as const))),
      ),
    )
    .orderBy('release_dependencies.package_id')
    .orderBy('release_dependencies.release_id')
    .limit(page.limit)
    .execute()
  return rows.map(({ ident: dependent, target: of, package_id: packageId, id }) => ({
    ident: dependent,
    target: of,
    place: [packageId, id],
  }))
}

/**
 * Begins a query with the table `dependents`: the ids of the packages that need a package. It finds each id
 * by seeking from the previous one in the index, so its cost does not grow with the number of releases. The
 * first id is 0 and the last NULL, which are not ids of packages.
 */
function withDependents(db: Db, { dependency, target }: { dependency: string; target: Target }) {
  return db.withRecursive('dependents(dependency, target, package_id)', (cte) =>
    cte
      .selectNoFrom((eb) => [
        eb.cast<string>(eb.val(dependency), 'text').as('dependency'),
        eb.cast<Target>(eb.val(target), 'text').as('target'),
        eb.cast<number | null>(eb.lit(0), 'bigint').as('package_id'),
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
