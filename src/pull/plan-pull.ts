import { DepotError, refusalOf } from '../errors.ts'
import { expectWhole } from '../lockfiles/lockfile.ts'
import type { LockedRelease } from '../lockfiles/lockfile.ts'
import type { SignedLockfile } from '../lockfiles/signed-lockfile.ts'
import { formatKeyName, parsePublicKey } from '../hart/origin-key.ts'
import type { PublicKey } from '../hart/origin-key.ts'
import { parseIdent } from '../package/ident.ts'
import { attempt } from '../remote/attempt.ts'
import type { Reporter } from '../remote/attempt.ts'
import { describeDifference, getViewRevision, listRefusals, formatMember } from '../remote/destination.ts'
import type { PromotedSet } from '../remote/destination.ts'
import { each } from '../remote/each.ts'
import { findKey, findOrigin, findRelease, listKeyRevisions } from '../remote/habitat-reads.ts'
import type { RemoteDepot } from '../remote/remote-depot.ts'
import { MAX_NAMED_RELEASES } from '../views/change-request.ts'
import type { PullSource } from './source.ts'

// Plans a pull: lists what a lockfile names and the destination lacks. Planning writes nothing.

/** The source and the destination of a pull, and the receiver of its progress. */
export interface PullTransfer {
  readonly source: PullSource
  readonly destination: RemoteDepot
  readonly reporter: Reporter
}

/** What to pull, and how. */
export interface PullRequest {
  /** The text of the lockfile. */
  readonly text: string
  readonly lockfile: SignedLockfile
  /** The view of the destination to promote into. */
  readonly into: string
  /** Whether the destination trusts the lockfile's key. If not, the promotion lists releases instead. */
  readonly isKeyTrusted: boolean
  /** Whether releases that the lockfile lacks are demoted. */
  readonly isExact: boolean
}

export interface PullPlan {
  readonly request: PullRequest
  /** The present revision of the view to promote into. */
  readonly revision: number
  /** The same revision in the form that a promotion expects; see {@link getViewRevision}. */
  readonly expected: number | string
  readonly origins: readonly PulledOrigin[]
  /** The releases that the destination lacks. */
  readonly missing: readonly LockedRelease[]
  /** The number of releases that the destination already has. */
  readonly present: number
  /** The number of items that failed. The reporter has received each. */
  readonly failures: number
}

export interface PulledOrigin {
  readonly name: string
  readonly isNew: boolean
  readonly visibility: 'public' | 'private'
  /** The keys that the destination lacks, with their files byte for byte. */
  readonly keys: readonly { readonly key: PublicKey; readonly file: string }[]
}

const PARALLEL = 8

/**
 * Compares a lockfile with the destination. Throws `refused` for an unknown view, and `invalid_request` for a
 * pull that is only possible with a trusted key, and for an exact pull of a part of a view.
 */
export async function planPull(transfer: PullTransfer, request: PullRequest): Promise<PullPlan> {
  const { destination, reporter } = transfer
  const { lockfile, into } = request
  if (request.isExact) expectWhole(lockfile)
  if (request.isExact && !request.isKeyTrusted)
    throw new DepotError(
      'invalid_request',
      `for an exact pull, the destination must trust the depot key ${lockfile.key.id}`,
    )
  if (lockfile.releases.length > MAX_NAMED_RELEASES && !request.isKeyTrusted)
    throw new DepotError(
      'invalid_request',
      `for a pull of more than ${MAX_NAMED_RELEASES} releases, the destination must trust the depot key ${lockfile.key.id}`,
    )
  const { revision, expected } = await getViewRevision(destination, into)
  let failures = 0
  const tryItem = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    const done = await attempt(transfer, what, act)
    if (done === undefined) failures += 1
    return done
  }

  const origins: PulledOrigin[] = []
  reporter.begin('comparing origins and keys')
  for (const [name, visibility] of originsOf(lockfile)) {
    const planned = await tryItem(`the origin ${name}`, () =>
      planOrigin(destination, lockfile, { name, visibility }),
    )
    if (planned !== undefined) origins.push(planned)
    reporter.advance()
  }

  const missing: LockedRelease[] = []
  let present = 0
  reporter.begin('comparing releases', lockfile.releases.length)
  await each(lockfile.releases, PARALLEL, async (release) => {
    const isPresent = await tryItem(formatMember(release), async () => hasRelease(destination, release))
    if (isPresent === true) present += 1
    if (isPresent === false) missing.push(release)
    reporter.advance()
  })
  return { request, revision, expected, origins, missing, present, failures }
}

/** Returns what the promotion of a pull promotes. */
export function promotedSet({ text, lockfile, isKeyTrusted, isExact }: PullRequest): PromotedSet {
  return isKeyTrusted
    ? { lockfile: text, exact: isExact }
    : { releases: pointersOf(lockfile).map(({ ident, target }) => ({ ident, target })) }
}

/** Reports whether a pull promotes or demotes anything. */
export function promotesAnything({ lockfile, isExact }: PullRequest): boolean {
  return isExact || pointersOf(lockfile).length > 0
}

/**
 * Checks that the gates of the view allow the promotion, without making it. Does nothing if the destination
 * still lacks releases, keys or origins, because it cannot evaluate the gates then. Throws `refused` with a
 * part for each refusal.
 */
export async function expectPromotable(
  { destination }: Pick<PullTransfer, 'destination'>,
  plan: PullPlan,
): Promise<void> {
  const hasAll =
    plan.missing.length === 0 &&
    plan.failures === 0 &&
    plan.origins.every(({ isNew, keys }) => !isNew && keys.length === 0)
  if (!hasAll || !promotesAnything(plan.request)) return
  const refusals = await listRefusals(destination, plan.request.into, promotedSet(plan.request))
  if (refusals.length > 0)
    throw refusalOf(
      'refused',
      refusals.map((detail) => ({ detail })),
    )
}

/** Returns the answers of `latest` in a lockfile. */
function pointersOf({ releases }: SignedLockfile): LockedRelease[] {
  return releases.filter(({ isDependency }) => !isDependency)
}

/** Returns the origins of a lockfile. A new origin becomes private if any of its releases is. */
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

/** Compares one origin and its keys. Throws `conflict` if a key differs. */
async function planOrigin(
  destination: RemoteDepot,
  { originKeys }: SignedLockfile,
  origin: { name: string; visibility: 'public' | 'private' },
): Promise<PulledOrigin> {
  const isNew = (await findOrigin(destination, origin.name)) === undefined
  const existing = new Set(isNew ? [] : await listKeyRevisions(destination, origin.name))
  const keys: { key: PublicKey; file: string }[] = []
  for (const { text: file } of originKeys) {
    const key = parsePublicKey(file)
    if (key.origin !== origin.name) continue
    if (!existing.has(key.revision)) keys.push({ key, file })
    else if (!key.raw.equals(parsePublicKey((await findKey(destination, key)) ?? '').raw)) {
      throw new DepotError('conflict', `the destination has another key named ${formatKeyName(key)}`)
    }
  }
  return { ...origin, isNew, keys }
}

/** Reports whether the destination has a release. Throws `release_differs` if it has other bytes. */
async function hasRelease(
  destination: RemoteDepot,
  { ident, target, checksum }: LockedRelease,
): Promise<boolean> {
  const found = await findRelease(destination, parseIdent(ident), target)
  if (found === undefined) return false
  if (found.checksum !== checksum)
    throw new DepotError('release_differs', describeDifference(found.checksum, checksum))
  return true
}
