import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { DepotError, refusalOf } from '../errors.ts'
import type { ErrorPart } from '../errors.ts'
import type { Source } from '../ledger/entry.ts'
import { expectRevisionKnown } from '../ledger/position-store.ts'
import { describeRelease, lineOf, releaseKey } from '../package/ident.ts'
import type { PackageFilter, RequestWithAudience, ReleaseSource } from '../views/change-request.ts'
import { listPointersAt } from './content-store.ts'
import { getRevisionAt } from './revision-store.ts'
import type { PointerPlace } from './content-store.ts'
import { findReleases, findReleasesById, listTdeps } from './dependency-store.ts'
import { filterMembers, listMembersOnLines, listPackagesChanged, listPastMembers } from './member-store.ts'
import {
  listLeadersUnder,
  listMembersWithoutPointer,
  listPointerRevisions,
  listPointersOf,
  listSkippedUnder,
  readPresentState,
} from './pointer-store.ts'
import type { Joining, ViewDelta } from '../views/plan.ts'
import { restoreLine, revertLine, combine } from './restore.ts'
import type { Conflict, Members, Restored } from './restore.ts'
import { ruleAt, setsRule } from '../views/rule.ts'
import type { ViewRule } from '../views/rule.ts'
import { MAX_MOVED_RELEASES, expectMovable } from '../views/view.ts'
import type { View, ViewRelease } from '../views/view.ts'
import { getPastView } from './view-store.ts'

const PAGE_SIZE = 1_000

/** A request for a change, resolved to releases. */
export interface Resolved {
  readonly delta: ViewDelta
  readonly conflicts: readonly Conflict[]
  /** The view and revision, or the lockfile, from which the releases were taken. */
  readonly source: Source | undefined
  /** The revision that a rollback restores or a revert undoes. */
  readonly of: number | undefined
  /** The packages to which a rollback or a revert is restricted. */
  readonly only: PackageFilter | undefined
  /** The request with source views fixed at their revisions, so that it means the same later. */
  readonly pinned: RequestWithAudience
}

/** The releases of a request's source. */
interface SourceReleases {
  readonly releases: ViewRelease[]
  readonly source: Source | undefined
  readonly conflicts: readonly Conflict[]
  readonly pinned: ReleaseSource
}

/**
 * Resolves a request to the releases that join and leave a view now. Throws `not_found`, `not_member`,
 * `invalid_request`, `other_history`, `too_large`, and `refused` for the revert of a change of the rule.
 */
export async function resolve(db: Db, view: View, request: RequestWithAudience): Promise<Resolved> {
  const resolved = await resolveAct(db, view, request)
  const { joining, leaving } = resolved.delta
  expectMovable(view, joining.length + leaving.length, { act: request.act })
  return resolved
}

function resolveAct(db: Db, view: View, request: RequestWithAudience): Promise<Resolved> {
  if (request.act === 'promote') return resolvePromotion(db, view, request)
  if (request.act === 'demote') return resolveDemotion(db, view, request)
  if (request.act === 'rollback') return resolveRollback(db, view, request)
  if (request.act === 'revert') return resolveRevert(db, view, request)
  return resolveRule(db, view, request)
}

type RequestTo<A extends RequestWithAudience['act']> = Extract<RequestWithAudience, { act: A }>

async function resolvePromotion(db: Db, view: View, request: RequestTo<'promote'>): Promise<Resolved> {
  const { pinned, releases, ...rest } = await readSource(db, request.source, request)
  const needed = request.withDeps === true ? await findNeeded(db, releases, request) : []
  const kept = new Set([...releases, ...needed].map(({ releaseId }) => releaseId))
  const leaving =
    request.isExact === true
      ? (await listMembersOffSource(db, view, request.source, releases)).filter(
          ({ releaseId }) => !kept.has(releaseId),
        )
      : []
  const dependencies = await joiningDependencies(db, view, needed, { releases, leaving })
  const delta = { joining: [...dependencies, ...releases.map((release) => ({ release }))], leaving }
  return { delta, ...rest, of: undefined, only: undefined, pinned: { ...request, source: pinned } }
}

/**
 * Releases that are not members are ignored if they come from a view or a lockfile. Throws `not_member` if
 * the request lists one itself.
 */
async function resolveDemotion(db: Db, view: View, request: RequestTo<'demote'>): Promise<Resolved> {
  const { pinned, releases, ...rest } = await readSource(db, request.source, request)
  const leaving = await filterMembers(db, view, releases)
  if ('releases' in request.source && leaving.length < releases.length) {
    const members = new Set(leaving)
    const absent = releases.filter((release) => !members.has(release))
    throw refusalOf(
      'not_member',
      absent.map((release) => ({
        detail: `${describeRelease(release)} is not in ${view.name}`,
      })),
    )
  }
  return {
    delta: { joining: [], leaving },
    ...rest,
    of: undefined,
    only: undefined,
    pinned: { ...request, source: pinned },
  }
}

async function resolveRollback(db: Db, view: View, request: RequestTo<'rollback'>): Promise<Resolved> {
  const revision = await getRevisionAt(db, view, request.to)
  return {
    ...(await restore(db, view, revision, request.only)),
    source: undefined,
    of: revision,
    only: request.only,
    pinned: { ...request, to: { revision } },
  }
}

async function resolveRevert(db: Db, view: View, request: RequestTo<'revert'>): Promise<Resolved> {
  const { revision, mark } = request
  await expectRevisionKnown(db, view, { number: revision, mark })
  if (revision < 1 || revision > view.revision)
    throw new DepotError(
      'not_found',
      `${view.name} has no revision ${revision}; it is at revision ${view.revision}`,
    )
  if (setsRule(view, revision))
    throw new DepotError(
      'refused',
      `revision ${revision} set the rule of ${view.name} to ${ruleAt(view, revision)}: set the rule instead`,
    )
  return {
    ...(await revert(db, view, revision, request.only)),
    source: undefined,
    of: revision,
    only: request.only,
    pinned: request,
  }
}

async function resolveRule(db: Db, view: View, request: RequestTo<'set-rule'>): Promise<Resolved> {
  const delta = await changeOfRule(db, view, request.rule)
  return { delta, conflicts: [], source: undefined, of: undefined, only: undefined, pinned: request }
}

/**
 * Returns the change that sets a rule. Two kinds of releases leave and join again: those to which `latest`
 * moves under the new rule, and yanked ones that the new rule makes `latest` pass over. So each move of
 * `latest` is also a change of members.
 */
export async function changeOfRule(
  db: Db,
  view: Pick<View, 'id' | 'rule'>,
  rule: ViewRule,
): Promise<ViewDelta> {
  const isNewRule = rule !== view.rule
  const skipped = isNewRule ? await listSkippedUnder(db, view.id, rule) : []
  const leaders = isNewRule ? await listLeadersUnder(db, view.id, rule) : []
  return {
    joining: [...skipped, ...leaders].map((release) => ({ release, rejoins: true })),
    leaving: [],
    ...(isNewRule && { rule }),
  }
}

/** Reads the releases of a source. Throws `not_found` for listed releases that are absent or hidden. */
async function readSource(
  db: Db,
  source: ReleaseSource,
  request: RequestWithAudience,
): Promise<SourceReleases> {
  if ('from' in source) return readPointers(db, source, request)
  const named = 'lockfile' in source ? source.lockfile.releases : source.releases
  const found = await findReleases(db, named, request.audience)
  const releases = new Map<number, ViewRelease>()
  const missing: ErrorPart[] = []
  const conflicts: Conflict[] = []
  for (const [index, name] of named.entries()) {
    const { ident, target } = name
    const release = found.get(releaseKey({ ident, target }))
    if (release === undefined)
      missing.push({
        detail: `there is no release ${ident} for ${target}`,
        ...('releases' in source && { pointer: `/releases/${index}` }),
      })
    else if ('checksum' in name && name.checksum !== release.checksum)
      conflicts.push({
        detail: `${ident} (${target}) has other bytes here than in the lockfile`,
        names: [{ ident, target }],
      })
    else releases.set(release.releaseId, release)
  }
  if (missing.length > 0) throw refusalOf('not_found', missing)
  return {
    releases: [...releases.values()],
    source: 'lockfile' in source ? { lockfile: source.lockfile.digest } : undefined,
    conflicts,
    pinned: source,
  }
}

/**
 * Reads the pointers of the source view. For a promotion, stops once there are more than {@link
 * MAX_MOVED_RELEASES}, because the promotion is then refused as too large. A demotion moves only members, so
 * it takes all pointers. The order of the pointers does not matter, because each line has at most one
 * pointer.
 */
async function readPointers(
  db: Db,
  source: Extract<ReleaseSource, { from: string }>,
  { act, audience }: RequestWithAudience,
): Promise<SourceReleases> {
  const { from, at, ...filter } = source
  const view = await getPastView(db, from)
  const revision = await getRevisionAt(db, view, at)
  const pointers = []
  for (let after: PointerPlace | undefined; ;) {
    const page = await listPointersAt(
      db,
      view,
      revision,
      { ...filter, limit: PAGE_SIZE, ...(after && { after }) },
      audience,
    )
    pointers.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_SIZE) break
    if (act === 'promote' && pointers.length > MAX_MOVED_RELEASES) break
    after = [last.package, last.target]
  }
  const found = await findReleasesById(
    db,
    pointers.map(({ releaseId }) => releaseId),
  )
  const conflicts = pointers
    .filter(({ releaseId }) => !found.has(releaseId))
    .map(({ ident, target }) => ({
      detail: `${ident} (${target}), which is in ${view.name} at revision ${revision}, was deleted`,
      names: [{ ident, target }],
    }))
  return {
    releases: pointers.flatMap(({ releaseId }) => found.get(releaseId) ?? []),
    source: { view: view.name, revision },
    conflicts,
    pinned: { ...source, at: { revision } },
  }
}

/** Finds the visible TDEPS of releases, without the releases themselves. */
async function findNeeded(
  db: Db,
  releases: readonly ViewRelease[],
  { audience }: RequestWithAudience,
): Promise<ViewRelease[]> {
  const tdeps = await listTdeps(db, releases)
  const names = releases.flatMap((release) =>
    (tdeps.get(release.releaseId) ?? []).map((ident) => ({ ident, target: release.target })),
  )
  const requested = new Set(releases.map(({ releaseId }) => releaseId))
  return [...(await findReleases(db, names, audience)).values()].filter(
    ({ releaseId }) => !requested.has(releaseId),
  )
}

/**
 * Returns the dependencies that the view lacks, lowest first. They join before the requested releases. A
 * dependency must not take `latest` from a higher release of its line. Under `promoted`, the higher release
 * therefore rejoins after the dependency, except if the request itself lets the higher release join or leave.
 */
async function joiningDependencies(
  db: Db,
  view: View,
  needed: readonly ViewRelease[],
  { releases, leaving }: { releases: readonly ViewRelease[]; leaving: readonly ViewRelease[] },
): Promise<Joining[]> {
  if (needed.length === 0) return []
  const { members, pointers } = await readPresentState(db, view, {
    joining: needed.map((release) => ({ release })),
    leaving: [],
  })
  const absent = needed.filter(({ releaseId }) => !members.has(releaseId))
  const settled = new Set([...releases, ...leaving].map(({ releaseId }) => releaseId))
  const joining: Joining[] = []
  for (const [line, ofLine] of Map.groupBy(absent, lineOf)) {
    const ascending = ofLine.toSorted((a, b) => (a.orderKey < b.orderKey ? -1 : 1))
    joining.push(...ascending.map((release) => ({ release, isDependency: true })))
    const pointer = pointers.get(line)
    const isHigher =
      pointer !== undefined &&
      !settled.has(pointer.releaseId) &&
      pointer.orderKey > (ascending.at(-1)?.orderKey ?? '')
    if (view.rule === 'promoted' && isHigher)
      joining.push({ release: pointer, rejoins: true, isDependency: true })
  }
  return joining
}

/**
 * Lists the members on lines that the source does not have. A filter of the source limits which lines count.
 * Throws `invalid_request` for a source that is a list of releases.
 */
async function listMembersOffSource(
  db: Db,
  view: View,
  source: ReleaseSource,
  releases: readonly ViewRelease[],
): Promise<ViewRelease[]> {
  if ('releases' in source)
    throw new DepotError('invalid_request', 'exact needs a view or a lockfile as the source')
  const lines = new Set(releases.map(lineOf))
  const isInFilter = ({ ident }: ViewRelease) =>
    !('from' in source) ||
    ((source.origin ?? ident.origin) === ident.origin && (source.name ?? ident.name) === ident.name)
  const isAbsent = (release: ViewRelease) => !lines.has(lineOf(release)) && isInFilter(release)
  const absent = (await listPointersOf(db, view.id)).filter(isAbsent)
  const withoutPointer = (await listMembersWithoutPointer(db, view.id)).filter(isAbsent)
  return [...(await listMembersOnLines(db, view, absent)), ...withoutPointer]
}

/** Resolves a rollback to a revision: restores each line of the packages that have changed since. */
async function restore(
  db: Db,
  view: View,
  revision: number,
  only: PackageFilter | undefined,
): Promise<Restored> {
  const parts: Restored[] = []
  for (const ids of inBatches(await listPackagesChanged(db, view.id, ['>', revision], only))) {
    const then = Map.groupBy(await listPastMembers(db, view.id, ids, revision), lineOf)
    const now = Map.groupBy(await listPastMembers(db, view.id, ids, view.revision), lineOf)
    for (const line of new Set([...then.keys(), ...now.keys()]))
      parts.push(
        restoreLine(
          { past: ruleAt(view, revision), present: view.rule },
          then.get(line) ?? [],
          now.get(line) ?? [],
        ),
      )
  }
  return combine(parts)
}

/** Resolves the revert of a revision: undoes its effect on each line that it changed. */
async function revert(
  db: Db,
  view: View,
  revision: number,
  only: PackageFilter | undefined,
): Promise<Restored> {
  const parts: Restored[] = []
  for (const ids of inBatches(await listPackagesChanged(db, view.id, ['=', revision], only))) {
    const [before, after, now] = await Promise.all(
      [revision - 1, revision, view.revision].map(async (at) =>
        Map.groupBy(await listPastMembers(db, view.id, ids, at), lineOf),
      ),
    )
    const since = await listPointerRevisions(db, view.id, ids)
    for (const [line, releases] of new Map([...(before ?? []), ...(after ?? [])])) {
      const [first] = releases
      if (first === undefined) continue
      const members = {
        before: before?.get(line) ?? [],
        after: after?.get(line) ?? [],
        now: now?.get(line) ?? [],
      }
      // The revision changed the package for another target.
      if (areSameReleases(members.before, members.after)) continue
      parts.push(
        revertLine(
          { past: ruleAt(view, revision), present: view.rule },
          { ...members, since: since.get(`${first.packageId} ${first.target}`) ?? 0 },
        ),
      )
    }
  }
  return combine(parts)
}

function areSameReleases(one: Members, other: Members): boolean {
  return (
    one.length === other.length &&
    one.every(({ releaseId, isSkipped }, index) => {
      const same = other[index]
      return same?.releaseId === releaseId && same.isSkipped === isSkipped
    })
  )
}
