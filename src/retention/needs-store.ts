import { durationStart } from '../clock.ts'
import { inBatches } from '../database/batches.ts'
import { unindexed, usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { lineOf, releaseKey } from '../package/ident.ts'
import { placeInLine } from '../revisions/member-store.ts'
import { matchesFilter } from '../views/freeze.ts'
import { CHANGE_KEEPS_MS } from '../views/retention-rule.ts'
import { UNSTABLE } from '../views/view.ts'
import type { ViewRelease } from '../views/view.ts'
import type { Candidate } from './candidate-store.ts'
import type { KeepingView, Keepers } from './keepers-store.ts'

/** Why a release stays, apart from the releases that depend on it. */
export type Need =
  | { readonly kind: 'hold'; readonly reason: string }
  /** A view that contains the release. `revision` is the one at which it joined. */
  | {
      readonly kind: 'view'
      readonly view: string
      readonly revision: number
      readonly as: 'latest' | 'member' | 'frozen'
    }
  /** A view that contained the release, or whose `latest` it was, until before `revision`. */
  | {
      readonly kind: 'history'
      readonly view: string
      readonly revision: number
      readonly as: 'latest' | 'member'
    }
  | { readonly kind: 'pin'; readonly view: string; readonly revision: number; readonly reason: string }
  | { readonly kind: 'lockfile'; readonly lockfile: string }
  | { readonly kind: 'proposal'; readonly plan: string; readonly view: string }
  | { readonly kind: 'change'; readonly record: string; readonly project: string; readonly change: string }

/**
 * Reports whether a need also forbids maintainers to delete the release. For views, see `keepsMembers`
 * instead.
 */
export function refusesDeletion({ kind }: Need): boolean {
  return kind === 'hold' || kind === 'pin' || kind === 'lockfile' || kind === 'proposal'
}

type Needs = Map<number, Need[]>

/**
 * Lists what needs releases, by release id. Releases that nothing needs are absent. `unstable`, which
 * contains every release, needs only what its `latest` answers.
 */
export async function listNeeds(
  db: Db,
  keepers: Keepers,
  releases: readonly Candidate[],
): Promise<ReadonlyMap<number, readonly Need[]>> {
  const needs: Needs = new Map()
  const add = (releaseId: number, need: Need) =>
    void needs.set(releaseId, [...(needs.get(releaseId) ?? []), need])
  for (const release of releases) {
    if (release.held !== undefined) add(release.releaseId, { kind: 'hold', reason: release.held })
  }
  for (const batch of inBatches(releases)) {
    const ids = batch.map(({ releaseId }) => releaseId)
    await addMemberships(db, keepers, batch, add)
    await addHistory(db, keepers, ids, add)
    await addPins(db, ids, add)
    await addLockfiles(db, ids, add)
    await addChanges(db, keepers, ids, add)
  }
  for (const release of releases)
    for (const proposal of keepers.proposals.get(releaseKey(release)) ?? [])
      add(release.releaseId, { kind: 'proposal', ...proposal })
  return needs
}

type Add = (releaseId: number, need: Need) => void

async function addMemberships(
  db: Db,
  { views }: Keepers,
  releases: readonly Candidate[],
  add: Add,
): Promise<void> {
  const byId = new Map(releases.map((release) => [release.releaseId, release]))
  const rows = await db
    .selectFrom(usingIndex('members', 'members_by_release'))
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .leftJoin(usingIndex('pointers', 'pointers_current'), (on) =>
      on
        .onRef('pointers.view_id', '=', 'members.view_id')
        .onRef('pointers.package_id', '=', 'members.package_id')
        .onRef('pointers.target', '=', 'releases.target')
        .on('pointers.to_revision', 'is', null),
    )
    .leftJoin('releases as latest', 'latest.id', 'pointers.release_id')
    .select([
      'members.view_id',
      'members.release_id',
      'members.from_revision',
      'members.is_skipped',
      'latest.id as latest_id',
      'latest.visibility as latest_visibility',
    ])
    .where('members.release_id', 'in', [...byId.keys()])
    .where('members.to_revision', 'is', null)
    .execute()
  const answers: Known = new Map()
  const first: Known = new Map()
  for (const row of rows) {
    const keeping = views.get(row.view_id)
    const release = byId.get(row.release_id)
    if (keeping === undefined || release === undefined) continue
    const { view, keepLast, newerThanRevision } = keeping
    const line = `${view.id} ${lineOf(release)}`
    const need = (as: 'latest' | 'member' | 'frozen') =>
      add(release.releaseId, { kind: 'view', view: view.name, revision: row.from_revision, as })
    const isAnswer =
      row.latest_id === release.releaseId ||
      (view.rule === 'highest' &&
        row.is_skipped === 0 &&
        (row.latest_visibility ?? 'public') !== 'public' &&
        (await remember(answers, line, () => listAnswers(db, keeping, release))).has(release.releaseId))
    if (isAnswer) need('latest')
    else if (view.freezes.some((freeze) => matchesFilter(freeze, release.ident))) need('frozen')
    else if (view.name === UNSTABLE) continue
    else if (keepLast === Infinity || release.isUpstream || row.from_revision > newerThanRevision)
      need('member')
    else if ((await remember(first, line, () => listFirst(db, keeping, release))).has(release.releaseId))
      need('member')
  }
}

type Known = Map<string, Promise<ReadonlySet<number>>>

/** Returns the known list of a key. If there is none, makes and remembers it. */
async function remember(
  known: Known,
  key: string,
  list: () => Promise<ReadonlySet<number>>,
): Promise<ReadonlySet<number>> {
  const found = known.get(key) ?? list()
  known.set(key, found)
  return found
}

/**
 * Lists what `latest` of a line answers to callers who may not see every release: the highest release that
 * everyone may see, and the highest that members of the origin may see.
 */
async function listAnswers(
  db: Db,
  { view }: KeepingView,
  { packageId, target }: ViewRelease,
): Promise<ReadonlySet<number>> {
  const highest = async (visibilities: readonly ('public' | 'private')[]) =>
    membersOfLine(db, view.id, { packageId, target })
      .where('members.is_skipped', '=', 0)
      .where('releases.visibility', 'in', visibilities)
      .orderBy('releases.order_key', 'desc')
      .limit(1)
      .execute()
  const rows = [...(await highest(['public'])), ...(await highest(['public', 'private']))]
  return new Set(rows.map(({ id }) => id))
}

/** Lists the members of a line that the rule of the view keeps because they come first. */
async function listFirst(
  db: Db,
  { view, keepLast }: KeepingView,
  { packageId, target }: ViewRelease,
): Promise<ReadonlySet<number>> {
  const members = membersOfLine(db, view.id, { packageId, target })
    .select(placeInLine(view.rule))
    .orderBy('members.is_skipped')
    .orderBy('place')
    .limit(keepLast)
  return new Set((await members.execute()).map(({ id }) => id))
}

function membersOfLine(
  db: Db,
  viewId: number,
  { packageId, target }: Pick<ViewRelease, 'packageId' | 'target'>,
) {
  return db
    .selectFrom(usingIndex('members', 'members_current'))
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .select('releases.id')
    .where('members.view_id', '=', viewId)
    .where('members.package_id', '=', packageId)
    .where('members.to_revision', 'is', null)
    .where('releases.target', '=', target)
}

/** Adds the views that a release left, or whose `latest` it was, after their `historyRevision`. */
async function addHistory(db: Db, { views }: Keepers, ids: readonly number[], add: Add): Promise<void> {
  const viewIds = [...views]
    .filter(([, { historyRevision }]) => historyRevision !== Infinity)
    .map(([id]) => id)
  const left = db
    .selectFrom('releases')
    .crossJoin('views')
    .crossJoin('members')
    .select(['releases.id', 'views.id as view_id', 'members.to_revision'])
    .where('releases.id', 'in', ids)
    .whereRef('members.view_id', '=', 'views.id')
    .whereRef('members.package_id', '=', 'releases.package_id')
    .whereRef('members.release_id', '=', 'releases.id')
    .where('views.id', 'in', viewIds)
    .where('members.to_revision', 'is not', null)
  // In a view whose rule lets members go, a former `latest` stays as long as a release that left.
  const limited = viewIds.filter((id) => views.get(id)?.keepLast !== Infinity)
  const moved = db
    .selectFrom('releases')
    .crossJoin('views')
    .crossJoin('pointers')
    .select(['releases.id', 'views.id as view_id', 'pointers.to_revision'])
    .where('releases.id', 'in', ids)
    .whereRef('pointers.view_id', '=', 'views.id')
    .whereRef('pointers.package_id', '=', 'releases.package_id')
    .whereRef('pointers.target', '=', 'releases.target')
    .whereRef('pointers.release_id', '=', 'releases.id')
    .where('views.id', 'in', limited)
    .where('pointers.to_revision', 'is not', null)
  const rows = [
    ...(await left.execute()).map((row) => ({ ...row, as: 'member' as const })),
    ...(limited.length === 0 ? [] : await moved.execute()).map((row) => ({ ...row, as: 'latest' as const })),
  ]
  const last = new Map<string, { id: number; need: Extract<Need, { kind: 'history' }> }>()
  for (const { id, view_id, to_revision: revision, as } of rows) {
    const keeping = views.get(view_id)
    if (keeping === undefined || revision === null || revision <= keeping.historyRevision) continue
    const key = `${id} ${view_id}`
    if (revision <= (last.get(key)?.need.revision ?? 0)) continue
    last.set(key, { id, need: { kind: 'history', view: keeping.view.name, revision, as } })
  }
  for (const { id, need } of last.values()) add(id, need)
}

async function addPins(db: Db, ids: readonly number[], add: Add): Promise<void> {
  const rows = await db
    .selectFrom('pins')
    .innerJoin('views', 'views.id', 'pins.view_id')
    .crossJoin('releases')
    .crossJoin('members')
    .select(['releases.id', 'views.name as view', 'pins.revision', 'pins.reason'])
    .where('releases.id', 'in', ids)
    .whereRef('members.view_id', '=', 'pins.view_id')
    .whereRef('members.package_id', '=', 'releases.package_id')
    .whereRef('members.release_id', '=', 'releases.id')
    .where((eb) => eb(unindexed(eb.ref('members.from_revision')), '<=', eb.ref('pins.revision')))
    .where((eb) =>
      eb.or([eb('members.to_revision', 'is', null), eb('members.to_revision', '>', eb.ref('pins.revision'))]),
    )
    .orderBy('views.name')
    .orderBy('pins.revision')
    .execute()
  for (const { id, ...pin } of rows) add(id, { kind: 'pin', ...pin })
}

async function addLockfiles(db: Db, ids: readonly number[], add: Add): Promise<void> {
  const rows = await db
    .selectFrom('registered_releases')
    .innerJoin('registered_lockfiles', 'registered_lockfiles.id', 'registered_releases.lockfile_id')
    .select(['registered_releases.release_id', 'registered_lockfiles.name as lockfile'])
    .where('registered_releases.release_id', 'in', ids)
    .orderBy('registered_lockfiles.name')
    .execute()
  for (const { release_id, lockfile } of rows) add(release_id, { kind: 'lockfile', lockfile })
}

/**
 * Adds the changes that need a release: the newest change of a project, and changes that began or reported a
 * phase less than {@link CHANGE_KEEPS_MS} ago. A change does not need a release that a rebuild replaced.
 */
async function addChanges(db: Db, { clock }: Keepers, ids: readonly number[], add: Add): Promise<void> {
  const rows = await db
    .selectFrom(usingIndex('change_releases', 'change_releases_by_release'))
    .innerJoin('changes', 'changes.id', 'change_releases.change_id')
    .select((eb) => [
      'change_releases.release_id',
      'changes.public_id as record',
      'changes.project',
      'changes.change',
      'changes.at',
      eb
        .selectFrom('change_phases')
        .select((inner) => inner.fn.max('change_phases.at').as('at'))
        .whereRef('change_phases.change_id', '=', 'changes.id')
        .as('reported_at'),
      eb
        .exists(
          eb
            .selectFrom('changes as newer')
            .select('newer.id')
            .whereRef('newer.origin_id', '=', 'changes.origin_id')
            .whereRef('newer.project', '=', 'changes.project')
            .whereRef('newer.id', '>', 'changes.id'),
        )
        .as('has_newer'),
    ])
    .where('change_releases.release_id', 'in', ids)
    .where('change_releases.replaced_by', 'is', null)
    .orderBy('changes.id', 'desc')
    .execute()
  for (const { release_id, at, reported_at, has_newer, ...change } of rows) {
    const lastAt = Math.max(durationStart(at, clock), durationStart(reported_at ?? 0, clock))
    if (!has_newer || lastAt > clock.now - CHANGE_KEEPS_MS) add(release_id, { kind: 'change', ...change })
  }
}
