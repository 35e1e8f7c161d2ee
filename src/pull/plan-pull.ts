import { DepotError, refusalOf } from '../errors.ts'
import { expectWhole } from '../lockfiles/lockfile.ts'
import type { LockedRelease } from '../lockfiles/lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { parseIdent } from '../package/ident.ts'
import { attempt } from '../remote/attempt.ts'
import type { Watcher } from '../remote/attempt.ts'
import { MOST_NAMED, differ, getViewRevision, listRefusals, nameOf } from '../remote/destination.ts'
import type { PromotedSet } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import { findKey, findOrigin, findRelease, listKeyRevisions } from '../remote/habitat-reads.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import type { PullSource } from './source.ts'

// Plans a pull: lists what a lockfile names and the destination lacks. Planning writes nothing.

/** The two sides of a pull. */
export interface PullEnds {
  readonly source: PullSource
  readonly destination: RemoteDepot
  readonly watcher: Watcher
}

/** What is pulled, and how. */
export interface PullAsked {
  /** The lockfile's, as it came. */
  readonly text: string
  readonly lockfile: SignedLockfile
  readonly into: string
  /** Whether the destination takes lockfiles of this key; if not, it is told names. */
  readonly isTrustedThere: boolean
  /** Of packages that the lockfile does not have, everything leaves the view. */
  readonly isExact: boolean
}

export interface PullPlan {
  readonly asked: PullAsked
  /** That the view is at which is promoted into, also in the form of {@link getViewRevision}. */
  readonly revision: number
  readonly expected: number | string
  readonly origins: readonly PulledOrigin[]
  readonly missing: readonly LockedRelease[]
  readonly here: number
  /** How much stands in the way of the whole, each told to the watcher. */
  readonly failures: number
}

export interface PulledOrigin {
  readonly name: string
  readonly isNew: boolean
  readonly visibility: 'public' | 'private'
  /** Those that are missing, and their files exactly as they are. */
  readonly keys: readonly { readonly key: PublicKey; readonly file: string }[]
}

const PARALLEL = 8

/** Throws where there is no such view, and `invalid_request` for what the destination would refuse. */
export async function planPull(ends: PullEnds, asked: PullAsked): Promise<PullPlan> {
  const { destination, watcher } = ends
  const { lockfile, into } = asked
  if (asked.isExact) expectWhole(lockfile)
  if (asked.isExact && !asked.isTrustedThere)
    throw new DepotError(
      'invalid_request',
      `an exact pull takes a destination that trusts the depot key ${lockfile.key.id} itself`,
    )
  if (lockfile.releases.length > MOST_NAMED && !asked.isTrustedThere)
    throw new DepotError(
      'invalid_request',
      `more than ${MOST_NAMED} releases take a destination that trusts the depot key ${lockfile.key.id} itself`,
    )
  const { revision, expected } = await getViewRevision(destination, into)
  let failures = 0
  const tell = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    const done = await attempt(ends, what, act)
    if (done === undefined) failures += 1
    return done
  }

  const origins: PulledOrigin[] = []
  watcher.begin('comparing origins and keys')
  for (const [name, visibility] of originsOf(lockfile)) {
    const planned = await tell(`the origin ${name}`, () =>
      planOrigin(destination, lockfile, { name, visibility }),
    )
    if (planned !== undefined) origins.push(planned)
    watcher.advance()
  }

  const missing: LockedRelease[] = []
  let here = 0
  watcher.begin('comparing releases', lockfile.releases.length)
  await each(lockfile.releases, PARALLEL, async (release) => {
    const isHere = await tell(nameOf(release), async () => isThere(destination, release))
    if (isHere === true) here += 1
    if (isHere === false) missing.push(release)
    watcher.advance()
  })
  return { asked, revision, expected, origins, missing, here, failures }
}

/** What the promotion is asked to promote. */
export function promotedSet({ text, lockfile, isTrustedThere, isExact }: PullAsked): PromotedSet {
  return isTrustedThere
    ? { lockfile: text, exact: isExact }
    : { releases: pointersOf(lockfile).map(({ ident, target }) => ({ ident, target })) }
}

export function promotesAnything({ lockfile, isExact }: PullAsked): boolean {
  return isExact || pointersOf(lockfile).length > 0
}

/**
 * Makes sure that the rules of the view let the promotion of a plan pass, without making it. Only a destination that has everything can
 * tell: where releases, keys or origins are missing still, nothing is asked. Throws `refused` with every cause, and what the promotion
 * would be refused for otherwise.
 */
export async function expectPromotable(
  { destination }: Pick<PullEnds, 'destination'>,
  plan: PullPlan,
): Promise<void> {
  const hasAll =
    plan.missing.length === 0 &&
    plan.failures === 0 &&
    plan.origins.every(({ isNew, keys }) => !isNew && keys.length === 0)
  if (!hasAll || !promotesAnything(plan.asked)) return
  const refusals = await listRefusals(destination, plan.asked.into, promotedSet(plan.asked))
  if (refusals.length > 0)
    throw refusalOf(
      'refused',
      refusals.map((detail) => ({ detail })),
    )
}

function pointersOf({ releases }: SignedLockfile): LockedRelease[] {
  return releases.filter(({ isDependency }) => !isDependency)
}

/** By name. One is made private where a release of it is. */
function originsOf({ releases, originKeys }: SignedLockfile): Map<string, 'public' | 'private'> {
  const origins = new Map<string, 'public' | 'private'>()
  for (const { ident, isPrivate } of releases) {
    const { origin } = parseIdent(ident)
    if (isPrivate || !origins.has(origin)) origins.set(origin, isPrivate ? 'private' : 'public')
  }
  for (const { text } of originKeys) {
    const { origin } = parsePublicKey(text)
    if (!origins.has(origin)) origins.set(origin, 'public')
  }
  return origins
}

async function planOrigin(
  destination: RemoteDepot,
  { originKeys }: SignedLockfile,
  origin: { name: string; visibility: 'public' | 'private' },
): Promise<PulledOrigin> {
  const isNew = (await findOrigin(destination, origin.name)) === undefined
  const here = new Set(isNew ? [] : await listKeyRevisions(destination, origin.name))
  const keys: { key: PublicKey; file: string }[] = []
  for (const { text: file } of originKeys) {
    const key = parsePublicKey(file)
    if (key.origin !== origin.name) continue
    if (!here.has(key.revision)) keys.push({ key, file })
    else if (!key.raw.equals(parsePublicKey((await findKey(destination, key)) ?? '').raw)) {
      throw new DepotError('conflict', `the destination has another key of the name ${formatKeyName(key)}`)
    }
  }
  return { ...origin, isNew, keys }
}

async function isThere(
  destination: RemoteDepot,
  { ident, target, checksum }: LockedRelease,
): Promise<boolean> {
  const here = await findRelease(destination, parseIdent(ident), target)
  if (here === undefined) return false
  if (here.checksum !== checksum) throw new DepotError('release_differs', differ(here.checksum, checksum))
  return true
}
