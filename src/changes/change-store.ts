import type { ExpressionBuilder, Expression, SqlBool } from 'kysely'
import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import { DepotError, quote } from '../errors.ts'
import { originOf } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import type { ChangeState } from '../views/phase.ts'
import { UNSTABLE } from '../views/view.ts'
import type { ChangeRecord, ChangeRelease, NewChange, PhaseReport } from './change-record.ts'
import { listPhases } from './phase-store.ts'

/** Filters of a list of changes. All of them must match. */
export interface ChangeFilter {
  readonly project?: string | undefined
  readonly change?: string | undefined
  /** Changes with a report of a phase in this view. */
  readonly view?: string | undefined
  readonly state?: ChangeState | undefined
}

/** Finds a change by its id for clients. A change that the audience may not see is not found. */
export async function findChange(
  db: Db,
  publicId: string,
  audience: Audience,
): Promise<ChangeRecord | undefined> {
  const row = await changes(db)
    .where('changes.public_id', '=', publicId)
    .where((eb) => changeVisibleTo(eb, audience))
    .executeTakeFirst()
  return row && (await recordsOf(db, [row]))[0]
}

/** Like {@link findChange}, but throws `not_found`. */
export async function getChange(db: Db, publicId: string, audience: Audience): Promise<ChangeRecord> {
  const found = await findChange(db, publicId, audience)
  if (found === undefined) throw new DepotError('not_found', `there is no change ${quote(publicId)}`)
  return found
}

/** Lists the visible changes with ids below `before`, newest first. */
export async function listChanges(
  db: Db,
  { project, change, view, state }: ChangeFilter,
  { before, limit, audience }: { before: number; limit: number; audience: Audience },
): Promise<ChangeRecord[]> {
  const rows = await changes(db)
    .where('changes.id', '<', before)
    .$if(project !== undefined, (query) =>
      query.where('changes.project', '=', project ?? '').where('changes.origin_id', '=', (eb) =>
        eb
          .selectFrom('origins')
          .select('origins.id')
          .where('origins.name', '=', originOf(project ?? '')),
      ),
    )
    .$if(change !== undefined, (query) => query.where('changes.change', '=', change ?? ''))
    .$if(state !== undefined, (query) => query.where('changes.state', '=', state ?? 'recorded'))
    .$if(view !== undefined, (query) =>
      query.where((eb) =>
        eb.exists(
          eb
            .selectFrom('change_phases')
            .select('change_phases.phase')
            .where('change_phases.view', '=', view ?? '')
            .whereRef('change_phases.change_id', '=', 'changes.id'),
        ),
      ),
    )
    .where((eb) => changeVisibleTo(eb, audience))
    .orderBy('changes.id', 'desc')
    .limit(limit)
    .execute()
  return recordsOf(db, rows)
}

/** Filters ids for clients: returns those of the changes that the audience may see. */
export async function listVisibleIds(
  db: Db,
  publicIds: Iterable<string>,
  audience: Audience,
): Promise<Set<string>> {
  const found = new Set<string>()
  for (const batch of inBatches(publicIds)) {
    const rows = await db
      .selectFrom('changes')
      .select('changes.public_id')
      .where('changes.public_id', 'in', batch)
      .where((eb) => changeVisibleTo(eb, audience))
      .execute()
    for (const row of rows) found.add(row.public_id)
  }
  return found
}

/** Lists the visible changes to which a release belongs, newest first. */
export async function listChangesOfRelease(
  db: Db,
  releaseId: number,
  audience: Audience,
): Promise<ChangeRecord[]> {
  const rows = await changes(db)
    .where('changes.id', 'in', (eb) =>
      eb
        .selectFrom('change_releases')
        .select('change_releases.change_id')
        .where('change_releases.release_id', '=', releaseId),
    )
    .where((eb) => changeVisibleTo(eb, audience))
    .orderBy('changes.id', 'desc')
    .execute()
  return recordsOf(db, rows)
}

/** At most this many of the newest changes of a project are examined to find one that supersedes another. */
export const MAX_EXAMINED_CHANGES = 50

/** One of the newest changes of a project. */
export interface NewestChange {
  readonly id: number
  readonly publicId: string
  /** Whether `latest` of some view answers a release of the change. */
  readonly isCurrent: boolean
}

/** Lists the newest visible changes of a project, newest first, at most {@link MAX_EXAMINED_CHANGES}. */
export async function listNewest(
  db: Db,
  { originId, project }: Pick<ChangeRecord, 'originId' | 'project'>,
  audience: Audience,
): Promise<NewestChange[]> {
  const rows = await db
    .selectFrom('changes')
    .select(['changes.id', 'changes.public_id'])
    .where('changes.origin_id', '=', originId)
    .where('changes.project', '=', project)
    .where((eb) => changeVisibleTo(eb, audience))
    .orderBy('changes.id', 'desc')
    .limit(MAX_EXAMINED_CHANGES)
    .execute()
  const current = await listCurrentViews(
    db,
    rows.map(({ id }) => id),
  )
  return rows.map(({ id, public_id }) => ({
    id,
    publicId: public_id,
    isCurrent: (current.get(id)?.size ?? 0) > 0,
  }))
}

/**
 * Finds the views whose `latest` answers releases of a change. Returns the number of these releases, by
 * change and by the name of the view. Ignores replaced releases, the view `unstable` and previews.
 */
export async function listCurrentViews(
  db: Db,
  changeIds: readonly number[],
): Promise<Map<number, Map<string, number>>> {
  const found = new Map<number, Map<string, number>>()
  for (const ids of inBatches(changeIds)) {
    const rows = await db
      .selectFrom('change_releases')
      .innerJoin('releases', 'releases.id', 'change_releases.release_id')
      .innerJoin('members', (on) =>
        on.onRef('members.release_id', '=', 'releases.id').on('members.to_revision', 'is', null),
      )
      .innerJoin('pointers', (on) =>
        on
          .onRef('pointers.view_id', '=', 'members.view_id')
          .onRef('pointers.package_id', '=', 'releases.package_id')
          .onRef('pointers.target', '=', 'releases.target')
          .onRef('pointers.release_id', '=', 'releases.id')
          .on('pointers.to_revision', 'is', null),
      )
      .innerJoin('views', 'views.id', 'members.view_id')
      .select(['change_releases.change_id', 'views.name'])
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('change_releases.change_id', 'in', ids)
      .where('change_releases.replaced_by', 'is', null)
      .where('views.name', '<>', UNSTABLE)
      .where('views.base_id', 'is', null)
      .groupBy(['change_releases.change_id', 'views.id', 'views.name'])
      .orderBy('views.id')
      .execute()
    for (const { change_id, name, count } of rows)
      found.set(change_id, (found.get(change_id) ?? new Map<string, number>()).set(name, count))
  }
  return found
}

export async function insertChange(
  db: Db,
  {
    publicId,
    originId,
    accountId,
    at,
    ...change
  }: NewChange & {
    publicId: string
    originId: number
    accountId: number | undefined
    at: number
  },
): Promise<void> {
  await db
    .insertInto('changes')
    .values({
      public_id: publicId,
      origin_id: originId,
      project: change.project,
      change: change.change,
      commit_id: change.commit,
      branch: change.branch ?? null,
      url: change.url ?? null,
      targets: JSON.stringify(change.targets),
      state: 'recorded',
      account_id: accountId ?? null,
      at,
    })
    .execute()
}

/** Adds a release to a change. `replaces` is the position of the release that it replaces, if any. */
export async function insertChangeRelease(
  db: Db,
  {
    changeId,
    position,
    releaseId,
    replaces,
    at,
  }: {
    changeId: number
    position: number
    releaseId: number
    replaces: number | undefined
    at: number
  },
): Promise<void> {
  await db
    .insertInto('change_releases')
    .values({ change_id: changeId, position, release_id: releaseId, replaced_by: null, at })
    .execute()
  if (replaces !== undefined)
    await db
      .updateTable('change_releases')
      .set({ replaced_by: position })
      .where('change_id', '=', changeId)
      .where('position', '=', replaces)
      .execute()
}

export async function countChangesOf(db: Db, releaseId: number): Promise<number> {
  const { count } = await db
    .selectFrom('change_releases')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('release_id', '=', releaseId)
    .executeTakeFirstOrThrow()
  return count
}

export async function updateState(db: Db, changeId: number, state: ChangeState): Promise<void> {
  await db.updateTable('changes').set({ state }).where('id', '=', changeId).execute()
}

/**
 * Returns the SQL condition on `changes` that the audience may see the change. Members of its origin may
 * always see it. Others may see it if it has releases and all of them are public.
 */
export function changeVisibleTo(
  eb: ExpressionBuilder<Schema, 'changes'>,
  { seesAll, origins }: Audience,
): Expression<SqlBool> {
  if (seesAll) return eb.lit(true)
  const releases = eb
    .selectFrom('change_releases')
    .select('change_releases.position')
    .whereRef('change_releases.change_id', '=', 'changes.id')
  const notPublic = releases
    .innerJoin('releases', 'releases.id', 'change_releases.release_id')
    .where('releases.visibility', '<>', 'public')
  const isPublic = eb.and([eb.exists(releases), eb.not(eb.exists(notPublic))])
  if (origins.length === 0) return isPublic
  // A recreated origin may have other members, who may not see earlier changes.
  const ofMembers = eb
    .selectFrom('origins')
    .select('origins.id')
    .whereRef('origins.id', '=', 'changes.origin_id')
    .whereRef('origins.created_at', '<=', 'changes.at')
    .where('origins.name', 'in', origins)
  return eb.or([isPublic, eb.exists(ofMembers)])
}

function changes(db: Db) {
  return db
    .selectFrom('changes')
    .leftJoin('accounts', 'accounts.id', 'changes.account_id')
    .selectAll('changes')
    .select('accounts.name as account')
}

type ChangeRow = Awaited<ReturnType<ReturnType<typeof changes>['executeTakeFirstOrThrow']>>

/** Adds the releases and phases to rows of changes. Keeps the order of the rows. */
async function recordsOf(db: Db, rows: readonly ChangeRow[]): Promise<ChangeRecord[]> {
  const ids = rows.map(({ id }) => id)
  const releases = new Map<number, ChangeRelease[]>()
  const phases = new Map<number, PhaseReport[]>()
  for (const batch of inBatches(ids)) {
    for (const [id, release] of await listReleases(db, batch))
      releases.set(id, [...(releases.get(id) ?? []), release])
    for (const [id, report] of await listPhases(db, batch))
      phases.set(id, [...(phases.get(id) ?? []), report])
  }
  return rows.map((row) => ({
    id: row.id,
    publicId: row.public_id,
    originId: row.origin_id,
    project: row.project,
    change: row.change,
    commit: row.commit_id,
    branch: row.branch ?? undefined,
    url: row.url ?? undefined,
    by: row.account ?? undefined,
    at: row.at,
    targets: JSON.parse(row.targets) as Target[],
    state: row.state,
    releases: releases.get(row.id) ?? [],
    phases: phases.get(row.id) ?? [],
  }))
}

async function listReleases(db: Db, changeIds: readonly number[]): Promise<[number, ChangeRelease][]> {
  const rows = await db
    .selectFrom('change_releases')
    .innerJoin('releases', 'releases.id', 'change_releases.release_id')
    .select([
      'change_releases.change_id',
      'change_releases.position',
      'change_releases.replaced_by',
      'change_releases.at',
      'change_releases.release_id',
      'releases.ident',
      'releases.target',
      'releases.checksum',
      'releases.signer',
    ])
    .where('change_releases.change_id', 'in', changeIds)
    .orderBy('change_releases.change_id')
    .orderBy('change_releases.position')
    .execute()
  return rows.map(({ change_id, release_id, replaced_by, ...release }) => [
    change_id,
    { ...release, releaseId: release_id, replacedBy: replaced_by ?? undefined },
  ])
}
