import { DEPOT_ACTOR, UNRESTRICTED_AUDIENCE } from '../access/access.ts'
import type { AnnouncedRelease } from '../commands/upstream/announce-releases.ts'
import type { Db } from '../database/database.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { findOrigin } from '../origins/origin-store.ts'
import { formatIdent, makeIdent, parseIdent, releaseKey, releaseName } from '../package/ident.ts'
import type { Ident, ReleaseName } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { compareReleases } from '../package/version.ts'
import { each } from '../remote/each.ts'
import { findDetail, isMember, listIdentsInChannel, listReleases } from '../remote/habitat-reads.ts'
import type { ReleaseDetail } from '../remote/habitat-reads.ts'
import { RemoteError } from '../remote/remote-error.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import { findReleases } from '../revisions/dependency-store.ts'
import { listMembersOfOrigin } from '../revisions/member-store.ts'
import { findView } from '../revisions/view-store.ts'
import { MAX_MOVED_RELEASES } from '../views/view.ts'
import { describeFault } from './describe-fault.ts'
import { recordKeysStrictly } from './record-keys.ts'
import type { UpstreamChannel } from './channels.ts'

/** The outcome of a refresh. */
export type RefreshOutcome =
  | {
      readonly kind: 'refreshed'
      readonly joined: number
      readonly left: number
      /** The number of releases that were left out, and why the first ones were. */
      readonly omitted: number
      readonly reasons: readonly string[]
    }
  /** Nothing was changed, because too many of the members would be removed. */
  | { readonly kind: 'held'; readonly removals: number; readonly members: number }

export interface RefreshContext {
  readonly depot: Pick<Depot, 'config' | 'db' | 'writer' | 'log'>
  readonly source: RemoteDepot
  /** Ends the refresh between two of its steps. */
  readonly signal: AbortSignal
}

/** A refresh that would remove a larger part of the members is held. */
const HELD_PART = 1 / 10
const MAX_LISTED = 500_000
const PARALLEL = 8
const ANNOUNCED_AT_ONCE = 100
const MAX_REASONS = 3

/**
 * Makes a channel here what it is upstream. New releases are announced, so that the channel has them before
 * their bytes are fetched. The change is one revision, or several if one may not move so many releases.
 * Records the keys of the origin first. Throws `upstream_failed` if a recorded key differs, the errors of the
 * source, and those of the command `refreshChannel`.
 */
export async function refreshChannel(
  context: RefreshContext,
  place: UpstreamChannel,
  { acceptsRemovals, reason }: { acceptsRemovals: boolean; reason: string },
): Promise<RefreshOutcome> {
  await recordKeysStrictly(context.depot, context.source, place.origin)
  const members = await listMembersHere(context.depot.db, place)
  const omitted = new Omissions()
  const listed = await listIdentsThere(context, place, omitted)
  const absent = members.filter(({ ident }) => !listed.has(ident))
  const ofSeveralTargets = [...Map.groupBy(members, ({ ident }) => ident).values()]
    .filter((ofIdent) => ofIdent.length > 1)
    .flat()
  // The list of the channel names an ident as long as one of its targets is a member.
  const outdated = await confirmAbsent(
    context,
    place,
    ofSeveralTargets.filter(({ ident }) => listed.has(ident)),
  )
  const removals = absent.length + outdated.length
  if (!acceptsRemovals && removals > members.length * HELD_PART)
    return { kind: 'held', removals, members: members.length }
  const leaving = [...outdated, ...(await confirmAbsent(context, place, absent))]
  const here = new Set(members.map(({ ident }) => ident))
  const fresh = [...listed].flatMap(([ident, parts]) => (here.has(ident) ? [] : [parts]))
  const joining = (await announceAll(context, place, fresh, omitted)).toSorted((a, b) =>
    compareReleases(parseIdent(a.ident), parseIdent(b.ident)),
  )
  await changeChannel(context, { ...place, reason }, { joining, leaving })
  return { kind: 'refreshed', joined: joining.length, left: leaving.length, ...omitted.summary() }
}

async function listMembersHere(db: Db, { origin, channel }: UpstreamChannel): Promise<ReleaseName[]> {
  const view = await findView(db, channel)
  const found = await findOrigin(db, origin)
  if (view === undefined || view.closedAt !== undefined || found === undefined) return []
  return (await listMembersOfOrigin(db, view, found.id)).map(releaseName)
}

async function listIdentsThere(
  { source, signal }: RefreshContext,
  place: UpstreamChannel,
  omitted: Omissions,
): Promise<Map<string, Ident>> {
  const listed = new Map<string, Ident>()
  let count = 0
  for await (const parts of listIdentsInChannel(source, place)) {
    signal.throwIfAborted()
    count += 1
    if (count > MAX_LISTED)
      throw new RemoteError('refused', `upstream lists more than ${MAX_LISTED} releases in a channel`)
    await omitted.addOnFailure(formatIdent(parts), async () => {
      const ident = makeIdent(parts)
      if (ident.origin !== place.origin)
        throw new DepotError('ident_malformed', `it is listed in a channel of ${place.origin}`)
      listed.set(formatIdent(ident), ident)
    })
  }
  return listed
}

/**
 * Returns the releases that upstream does not have in the channel. A list may lack a release because the
 * channel changed between two pages of the list, so this asks for each release.
 */
async function confirmAbsent(
  { source, signal }: RefreshContext,
  { channel }: UpstreamChannel,
  releases: readonly ReleaseName[],
): Promise<ReleaseName[]> {
  const absent: ReleaseName[] = []
  await each(releases, PARALLEL, async (release) => {
    signal.throwIfAborted()
    if (!(await isMember(source, channel, parseIdent(release.ident), release.target))) absent.push(release)
  })
  return absent
}

/**
 * Announces the releases of these idents that upstream has in the channel. Returns those that the depot has
 * afterwards.
 */
async function announceAll(
  context: RefreshContext,
  place: UpstreamChannel,
  idents: readonly Ident[],
  omitted: Omissions,
): Promise<ReleaseName[]> {
  const { depot, source, signal } = context
  const members: ReleaseName[] = []
  let batch: AnnouncedRelease[] = []
  const flush = async () => {
    const releases = batch
    batch = []
    if (releases.length === 0) return
    const { refused } = await depot.writer.submit({
      kind: 'announceReleases',
      input: { origin: place.origin, upstream: source.url.replace(/\/v1$/, ''), releases },
      actor: DEPOT_ACTOR,
    })
    const refusedKeys = new Set(refused.map(releaseKey))
    for (const { ident, why } of refused) omitted.add(ident, why)
    for (const { ident, metadata } of releases) {
      const name = { ident: formatIdent(ident), target: metadata.target }
      if (!refusedKeys.has(releaseKey(name))) members.push(name)
    }
  }
  await each(
    candidates(context, place, idents, omitted),
    PARALLEL,
    async ({ ident, target, isOnlyTarget }) => {
      signal.throwIfAborted()
      const name = { ident: formatIdent(ident), target }
      const known = await findReleases(depot.db, [name], UNRESTRICTED_AUDIENCE)
      // The list of the channel names an ident without its targets.
      if (isOnlyTarget && known.size > 0) {
        members.push(name)
        return
      }
      await omitted.addOnFailure(name.ident, async () => {
        const detail = await findDetail(source, place.channel, ident, target)
        if (detail?.visibility === 'public') batch.push(announcedRelease(ident, target, detail))
      })
      if (batch.length >= ANNOUNCED_AT_ONCE) await flush()
    },
  )
  await flush()
  return members
}

/** Lists the idents with each of their targets that the depot accepts, package by package. */
async function* candidates(
  { depot, source, signal }: RefreshContext,
  { origin }: UpstreamChannel,
  idents: readonly Ident[],
  omitted: Omissions,
): AsyncGenerator<{ ident: Ident; target: Target; isOnlyTarget: boolean }> {
  for (const [name, ofPackage] of Map.groupBy(idents, (ident) => ident.name)) {
    const wanted = new Map(ofPackage.map((ident) => [`${ident.version}/${ident.release}`, ident]))
    for await (const { version, release, platforms } of listReleases(source, origin, name)) {
      signal.throwIfAborted()
      const ident = wanted.get(`${version}/${release}`)
      if (ident === undefined) continue
      wanted.delete(`${version}/${release}`)
      for (const target of depot.config.targets.filter((accepted) => platforms.includes(accepted)))
        yield { ident, target, isOnlyTarget: platforms.length === 1 }
      if (wanted.size === 0) break
    }
    for (const ident of wanted.values())
      omitted.add(formatIdent(ident), 'upstream lists it in the channel, but not among the releases')
  }
}

/** Throws `ident_malformed` for a malformed dependency. */
function announcedRelease(ident: Ident, target: Target, detail: ReleaseDetail): AnnouncedRelease {
  return {
    ident,
    checksum: detail.checksum,
    sizeBytes: 0,
    metadata: {
      target,
      manifest: detail.manifest,
      config: detail.config ?? undefined,
      deps: identTexts(detail.deps),
      tdeps: identTexts(detail.tdeps),
      buildDeps: identTexts(detail.build_deps),
      buildTdeps: identTexts(detail.build_tdeps),
      exposes: detail.exposes ?? [],
      packageType: detail.package_type?.toLowerCase() === 'native' ? 'native' : 'standard',
      svcUser: undefined,
      svcGroup: undefined,
    },
  }
}

function identTexts(dependencies: ReleaseDetail['deps'] | null | undefined): string[] {
  return (dependencies ?? []).map((parts) => formatIdent(makeIdent(parts)))
}

/** Changes the channel in as few revisions as possible. */
async function changeChannel(
  { depot, signal }: RefreshContext,
  place: UpstreamChannel & { readonly reason: string },
  { joining, leaving }: { joining: readonly ReleaseName[]; leaving: readonly ReleaseName[] },
): Promise<void> {
  for (let at = 0; at < joining.length + leaving.length; at += MAX_MOVED_RELEASES) {
    signal.throwIfAborted()
    const moved = { from: at, to: at + MAX_MOVED_RELEASES }
    await depot.writer.submit({
      kind: 'refreshChannel',
      input: {
        ...place,
        leaving: leaving.slice(moved.from, moved.to),
        joining: joining.slice(
          Math.max(moved.from - leaving.length, 0),
          Math.max(moved.to - leaving.length, 0),
        ),
      },
      actor: DEPOT_ACTOR,
    })
  }
}

/** The releases that a refresh leaves out, because upstream describes them wrongly or refuses to. */
class Omissions {
  readonly #reasons: string[] = []
  #count = 0

  add(ident: string, why: string): void {
    this.#count += 1
    if (this.#reasons.length < MAX_REASONS) this.#reasons.push(`${ident}: ${why}`)
  }

  /** Runs `act`, and adds the release if it fails for a reason that does not concern other releases. */
  async addOnFailure(ident: string, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      const isOwn =
        error instanceof DepotError || (error instanceof RemoteError && error.failure === 'refused')
      if (!isOwn) throw error
      this.add(ident, describeFault(error))
    }
  }

  summary(): { omitted: number; reasons: readonly string[] } {
    return { omitted: this.#count, reasons: this.#reasons }
  }
}
