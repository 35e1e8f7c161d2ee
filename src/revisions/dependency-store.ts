import { sql } from 'kysely'
import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import { releaseKey } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { withDependents } from '../releases/dependents-store.ts'
import { visible, visibleTo } from '../releases/visible-store.ts'
import type { Dependencies, Dependent } from '../views/gates.ts'
import { VIEW_RELEASE, listMemberIds, viewReleaseOf, viewReleases } from './member-store.ts'
import type { ViewRelease } from '../views/view.ts'

// Dependencies of releases for the same target: TDEPS are all of them, DEPS the direct ones.

const MAX_DEPENDENTS = 20
/** Every package may need each of these releases. Between statements the writer does other work, or gives up to read ahead. */
const NEEDED_AT_ONCE = 10

/** Finds the visible releases among these names, by `ident target`. */
export async function findReleases(
  db: Db,
  names: Iterable<{ readonly ident: string; readonly target: Target }>,
  audience: Audience,
): Promise<Map<string, ViewRelease & { readonly checksum: string }>> {
  const targets = new Map<string, Set<Target>>()
  for (const { ident, target } of names) targets.set(ident, (targets.get(ident) ?? new Set()).add(target))
  const found = new Map<string, ViewRelease & { readonly checksum: string }>()
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

/** Lists the names of hidden releases among these names, as `ident target`. Includes deleted releases. */
export async function listHidden(
  db: Db,
  names: readonly { readonly ident: string; readonly target: Target }[],
  audience: Audience,
): Promise<Set<string>> {
  const hidden = new Set<string>()
  const { seesAll, origins } = audience
  if (seesAll) return hidden
  for (const idents of inBatches(names.map(({ ident }) => ident)))
    for (const row of await hiddenNamed(db, { idents, origins })) hidden.add(releaseKey(row))
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
  for (const some of inBatches(ids)) {
    for (const row of await viewReleases(db).where('releases.id', 'in', some).execute())
      found.set(row.release_id, viewReleaseOf(row))
  }
  return found
}

/** Lists the TDEPS of releases, by release id. */
export async function listNeeds(
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

/** Reads the visible dependencies of releases, in the depot and in the view. */
export async function readDependencies(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  audience: Audience,
): Promise<Dependencies> {
  const tdeps = new Map<string, readonly string[]>()
  const deps = new Map<string, readonly string[]>()
  const inDepot = new Map<string, number>()
  const needed = new Map<string, Set<Target>>()
  for (const ids of inBatches(releases.map(({ releaseId }) => releaseId))) {
    const rows = await db
      .selectFrom('releases')
      .select(['ident', 'target', 'tdeps', 'deps'])
      .where('id', 'in', ids)
      .execute()
    for (const row of rows) {
      const needs = JSON.parse(row.tdeps) as string[]
      tdeps.set(releaseKey(row), needs)
      deps.set(releaseKey(row), JSON.parse(row.deps) as string[])
      for (const ident of needs) needed.set(ident, (needed.get(ident) ?? new Set()).add(row.target))
    }
  }
  for (const idents of inBatches(needed.keys())) {
    const rows = await visible(db, audience)
      .select(['releases.id', 'releases.ident', 'releases.target', 'releases.deps'])
      .where('releases.ident', 'in', idents)
      .execute()
    for (const row of rows) {
      if (needed.get(row.ident)?.has(row.target) !== true) continue
      inDepot.set(releaseKey(row), row.id)
      deps.set(releaseKey(row), JSON.parse(row.deps) as string[])
    }
  }
  const inView = new Set<number>()
  for (const ids of inBatches(inDepot.values())) {
    for (const id of await listMemberIds(db, viewId, ids)) inView.add(id)
  }
  return { tdeps, deps, inDepot, inView }
}

/**
 * Lists the members of a view that need each of these releases, by its id, with their visibility to the audience.
 * Long lists are cut.
 */
export async function listDependentMembers(
  db: Db,
  viewId: number,
  releases: readonly ViewRelease[],
  audience: Audience,
): Promise<Map<number, Dependent[]>> {
  const found = new Map<number, Dependent[]>()
  for (const ids of inBatches(
    releases.map(({ releaseId }) => releaseId),
    NEEDED_AT_ONCE,
  )) {
    const needed = db
      .selectFrom('releases')
      .innerJoin('packages', 'packages.id', 'releases.package_id')
      .innerJoin('origins', 'origins.id', 'packages.origin_id')
      .select((eb) => [
        sql<string>`${eb.ref('origins.name')} || '/' || ${eb.ref('packages.name')}`.as('dependency'),
        'releases.target',
        'releases.ident',
        'releases.id',
      ])
      .where('releases.id', 'in', ids)
    const rows = await withDependents(db, needed)
      .with('ranked', (cte) =>
        cte
          .selectFrom('needed')
          .crossJoin('dependents')
          .crossJoin('release_dependencies')
          .crossJoin(usingIndex('members', 'members_by_release'))
          .crossJoin('releases')
          .select((eb) => [
            'needed.id as needed_id',
            'members.release_id',
            eb.fn
              .agg<number>('row_number')
              .over((over) => over.partitionBy('needed.id').orderBy('releases.ident'))
              .as('place'),
          ])
          .whereRef('dependents.dependency', '=', 'needed.dependency')
          .whereRef('dependents.target', '=', 'needed.target')
          .whereRef('release_dependencies.dependency', '=', 'dependents.dependency')
          .whereRef('release_dependencies.target', '=', 'dependents.target')
          .whereRef('release_dependencies.package_id', '=', 'dependents.package_id')
          .whereRef('release_dependencies.ident', '=', 'needed.ident')
          .whereRef('members.release_id', '=', 'release_dependencies.release_id')
          .where('members.view_id', '=', viewId)
          .where('members.to_revision', 'is', null)
          .whereRef('releases.id', '=', 'members.release_id'),
      )
      .selectFrom('ranked')
      .innerJoin('releases', 'releases.id', 'ranked.release_id')
      .innerJoin('packages', 'packages.id', 'releases.package_id')
      .select(VIEW_RELEASE)
      .select((eb) => [
        'ranked.needed_id',
        eb.case().when(visibleTo(eb, audience)).then(1).else(0).end().as('is_visible'),
      ])
      .where('ranked.place', '<=', MAX_DEPENDENTS + releases.length)
      .orderBy('ranked.needed_id')
      .orderBy('ranked.place')
      .execute()
    for (const row of rows) {
      const dependents = found.get(row.needed_id) ?? []
      dependents.push({ release: viewReleaseOf(row), isVisible: row.is_visible === 1 })
      found.set(row.needed_id, dependents)
    }
  }
  return found
}
