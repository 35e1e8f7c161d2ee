import { sql } from 'kysely'
import type { ExpressionBuilder } from 'kysely'
import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { Schema } from '../database/schema.ts'
import { releaseKey } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { visible, visibleTo } from '../releases/visible-store.ts'
import type { Dependencies, Dependent } from '../views/gate.ts'
import { VIEW_RELEASE_COLUMNS, listMemberIds, viewReleaseOf, viewReleases } from './member-store.ts'
import type { ViewRelease } from '../views/view.ts'

// Dependencies of releases, for the same target. TDEPS are all dependencies of a release, DEPS its direct
// ones.

/** The maximum number of dependents that are listed for one release. */
const MAX_DEPENDENTS = 20
/**
 * The number of releases whose dependents one statement finds. Every package of the depot may need each of
 * these releases. Between statements, the writer can do other work or postpone the command.
 */
const NEEDED_AT_ONCE = 10

export interface FoundRelease extends ViewRelease {
  readonly checksum: string
}

/** Finds the visible releases among these names, by `ident target`. */
export async function findReleases(
  db: Db,
  names: Iterable<{ readonly ident: string; readonly target: Target }>,
  audience: Audience,
): Promise<Map<string, FoundRelease>> {
  const targets = new Map<string, Set<Target>>()
  for (const { ident, target } of names) targets.set(ident, (targets.get(ident) ?? new Set()).add(target))
  const found = new Map<string, FoundRelease>()
  for (const idents of inBatches(targets.keys())) {
    const { seesAll, origins } = audience
    const rows = await (seesAll ? releasesNamed(db, { idents }) : visibleNamed(db, { idents, origins }))
    for (const row of rows) {
      if (targets.get(row.ident)?.has(row.target) === true)
        found.set(releaseKey(row), { ...viewReleaseOf(row), checksum: row.checksum })
    }
  }
  return found
}

const releasesNamed = prepared<{ idents: readonly string[] }>()((db, { idents }) =>
  viewReleases(db).select('releases.checksum').where('releases.ident', 'in', idents),
)
const visibleNamed = prepared<{ idents: readonly string[]; origins: readonly string[] }>()(
  (db, { idents, origins }) =>
    viewReleases(db)
      .select('releases.checksum')
      .where('releases.ident', 'in', idents)
      .where((eb) => visibleTo(eb, { seesAll: false, origins })),
)

/**
 * Lists which of these releases are hidden from the audience, as `ident target`. Judges deleted releases by
 * the visibility that they had.
 */
export async function listHidden(
  db: Db,
  names: readonly { readonly ident: string; readonly target: Target }[],
  audience: Audience,
): Promise<Set<string>> {
  const hidden = new Set<string>()
  const { seesAll, origins } = audience
  if (seesAll) return hidden
  const asked = new Set(names.map(releaseKey))
  for (const idents of inBatches(names.map(({ ident }) => ident))) {
    for (const row of await hiddenNamed(db, { idents, origins }))
      if (asked.has(releaseKey(row))) hidden.add(releaseKey(row))
  }
  return hidden
}

const hiddenNamed = prepared<{ idents: readonly string[]; origins: readonly string[] }>()(
  (db, { idents, origins }) =>
    db
      .selectFrom('releases')
      .select(['ident', 'target'])
      .where('ident', 'in', idents)
      .where((eb) => eb.not(visibleTo(eb, { seesAll: false, origins }))),
)

/** Finds releases by id. Deleted releases are left out. */
export async function findReleasesById(db: Db, ids: Iterable<number>): Promise<Map<number, ViewRelease>> {
  const found = new Map<number, ViewRelease>()
  for (const batch of inBatches(ids)) {
    for (const row of await viewReleases(db).where('releases.id', 'in', batch).execute())
      found.set(row.release_id, viewReleaseOf(row))
  }
  return found
}

/** Lists the idents of the TDEPS of releases, by release id. */
export async function listTdeps(
  db: Db,
  releases: readonly ViewRelease[],
): Promise<Map<number, readonly string[]>> {
  const found = new Map<number, readonly string[]>()
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const rows = await db.selectFrom('releases').select(['id', 'tdeps']).where('id', 'in', ids).execute()
    for (const row of rows) found.set(row.id, JSON.parse(row.tdeps) as string[])
  }
  return found
}

/**
 * Reads the dependencies of releases, and which of them are in the depot and, if `viewId` is given, in the
 * view. Dependencies that are hidden from the audience count as absent. An announced release is listed among
 * its own dependencies, because it needs its own bytes, which are absent.
 */
export async function readDependencies(
  db: Db,
  viewId: number | undefined,
  releases: readonly ViewRelease[],
  audience: Audience,
): Promise<Dependencies> {
  const tdeps = new Map<string, readonly string[]>()
  const deps = new Map<string, readonly string[]>()
  const inDepot = new Map<string, number>()
  const announced = new Set<string>()
  const needed = new Map<string, Set<Target>>()
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const rows = await db
      .selectFrom('releases')
      .select(['ident', 'target', 'tdeps', 'deps', 'is_announced'])
      .where('id', 'in', ids)
      .execute()
    for (const row of rows) {
      const tdepsOfRow = JSON.parse(row.tdeps) as string[]
      const needs = row.is_announced === 1 ? [row.ident, ...tdepsOfRow] : tdepsOfRow
      tdeps.set(releaseKey(row), needs)
      deps.set(releaseKey(row), JSON.parse(row.deps) as string[])
      for (const ident of needs) needed.set(ident, (needed.get(ident) ?? new Set()).add(row.target))
    }
  }
  for (const idents of inBatches(needed.keys())) {
    const rows = await visible(db, audience)
      .select(['releases.id', 'releases.ident', 'releases.target', 'releases.deps', 'releases.is_announced'])
      .where('releases.ident', 'in', idents)
      .execute()
    for (const row of rows) {
      if (needed.get(row.ident)?.has(row.target) !== true) continue
      if (row.is_announced === 1) announced.add(releaseKey(row))
      else inDepot.set(releaseKey(row), row.id)
      deps.set(releaseKey(row), JSON.parse(row.deps) as string[])
    }
  }
  const inView = new Set<number>()
  if (viewId !== undefined)
    for (const ids of inBatches(inDepot.values()))
      for (const id of await listMemberIds(db, viewId, ids)) inView.add(id)
  return { tdeps, deps, inDepot, announced, inView }
}

/**
 * Lists the members of a view that need each of these releases and do not leave with them, by the release's
 * id. Lists at most {@link MAX_DEPENDENTS} for each release.
 */
export async function listDependentMembers(
  db: Db,
  viewId: number,
  leaving: readonly ViewRelease[],
  audience: Audience,
): Promise<Map<number, Dependent[]>> {
  const leavingIds = leaving.map(({ releaseId }) => releaseId)
  const found = new Map<number, Dependent[]>()
  for (const neededIds of inBatches(leavingIds, NEEDED_AT_ONCE)) {
    const rows = await dependentMembers(db, { viewId, neededIds, leavingIds })
      .select(VIEW_RELEASE_COLUMNS)
      .select((eb) => [
        'dependents.needed_id',
        eb.case().when(visibleTo(eb, audience)).then(1).else(0).end().as('is_visible'),
      ])
      .orderBy('releases.ident')
      .execute()
    for (const row of rows) {
      const dependents = found.get(row.needed_id) ?? []
      if (dependents.length === MAX_DEPENDENTS) continue
      dependents.push({ release: viewReleaseOf(row), isVisible: row.is_visible === 1 })
      found.set(row.needed_id, dependents)
    }
  }
  return found
}

/**
 * Selects the members that need each release. The recursive query seeks in the index from one package that
 * needs the release to the next, and stops when it has found enough packages with members.
 *
 * Each row of `dependents` stands for one such package, `package_id`, and knows the next one, `next_id`. The
 * first row of each release stands for no package. `found` counts the packages with members up to this row,
 * and `before` up to the row before it.
 */
function dependentMembers(
  db: Db,
  {
    viewId,
    neededIds,
    leavingIds,
  }: { viewId: number; neededIds: readonly number[]; leavingIds: readonly number[] },
) {
  const membersOf = (eb: DependentsBuilder, packageId: 'package_id' | 'next_id') =>
    eb
      .selectFrom('release_dependencies')
      .crossJoin(usingIndex('members', 'members_by_release'))
      .select('members.release_id')
      .whereRef('release_dependencies.dependency', '=', 'dependents.dependency')
      .whereRef('release_dependencies.target', '=', 'dependents.target')
      .whereRef('release_dependencies.package_id', '=', `dependents.${packageId}`)
      .whereRef('release_dependencies.ident', '=', 'dependents.ident')
      .whereRef('members.release_id', '=', 'release_dependencies.release_id')
      .where('members.view_id', '=', viewId)
      .where('members.to_revision', 'is', null)
      .where('members.release_id', 'not in', leavingIds)
  return db
    .withRecursive(
      'dependents(needed_id, dependency, target, ident, package_id, next_id, before, found)',
      (cte) =>
        cte
          .selectFrom('releases')
          .innerJoin('packages', 'packages.id', 'releases.package_id')
          .innerJoin('origins', 'origins.id', 'packages.origin_id')
          .select((eb) => [
            'releases.id as needed_id',
            sql<string>`${eb.ref('origins.name')} || '/' || ${eb.ref('packages.name')}`.as('dependency'),
            'releases.target',
            'releases.ident',
            eb.cast<number | null>(eb.lit(null), 'bigint').as('package_id'),
            eb.cast<number | null>(eb.lit(0), 'bigint').as('next_id'),
            eb.lit<number>(0).as('before'),
            eb.lit<number>(0).as('found'),
          ])
          .where('releases.id', 'in', neededIds)
          .unionAll(
            cte
              .selectFrom('dependents')
              .select((eb) => [
                'dependents.needed_id',
                'dependents.dependency',
                'dependents.target',
                'dependents.ident',
                'dependents.next_id as package_id',
                eb
                  .selectFrom('release_dependencies')
                  .select((inner) => inner.fn.min('release_dependencies.package_id').as('package_id'))
                  .whereRef('release_dependencies.dependency', '=', 'dependents.dependency')
                  .whereRef('release_dependencies.target', '=', 'dependents.target')
                  .whereRef('release_dependencies.package_id', '>', 'dependents.next_id')
                  .as('next_id'),
                'dependents.found as before',
                eb
                  .case()
                  .when(eb.exists(membersOf(eb, 'next_id')))
                  .then(eb('dependents.found', '+', 1))
                  .else(eb.ref('dependents.found'))
                  .end()
                  .as('found'),
              ])
              .where('dependents.next_id', 'is not', null)
              .where('dependents.found', '<', MAX_DEPENDENTS),
          ),
    )
    .selectFrom('dependents')
    .innerJoin('releases', (on) => on.on((eb) => eb('releases.id', 'in', membersOf(eb, 'package_id'))))
    .innerJoin('packages', 'packages.id', 'releases.package_id')
    .whereRef('dependents.found', '>', 'dependents.before')
}

type DependentsBuilder = ExpressionBuilder<
  Schema & {
    dependents: {
      dependency: string
      target: Target
      ident: string
      package_id: number | null
      next_id: number | null
    }
  },
  'dependents'
>
