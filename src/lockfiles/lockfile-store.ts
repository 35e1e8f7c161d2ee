import { setImmediate } from 'node:timers/promises'
import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { DepotError, refusalOf } from '../errors.ts'
import type { ErrorPart } from '../errors.ts'
import { findHeadOf } from '../ledger/ledger-store.ts'
import { findKey } from '../origins/origin-store.ts'
import { parseKeyName } from '../hart/origin-key.ts'
import type { Target } from '../package/target.ts'
import { visible } from '../releases/visible-store.ts'
import { listPointersAt } from '../revisions/content-store.ts'
import type { PointerPlace } from '../revisions/content-store.ts'
import { findReleases } from '../revisions/dependency-store.ts'
import type { View } from '../views/view.ts'
import { MAX_LOCKED_RELEASES } from './lockfile.ts'
import type { LockedKey, LockedRelease, Lockfile, LockfileFilter } from './lockfile.ts'
import { releaseKey } from '../package/ident.ts'

// Reads the contents of lockfiles, and checks lockfiles against the depot. Both may concern a hundred
// thousand releases: no statement reads more than a thousand rows, and other work runs between statements.

/** What a lockfile is to contain. */
export interface LockfileRequest {
  readonly view: View
  readonly revision: number
  readonly filter: LockfileFilter
  /** Whether releases that were deleted since are left out. By default they are an error. */
  readonly skipsDeleted: boolean
}

type Content = Pick<Lockfile, 'ledger' | 'at' | 'skipped' | 'absent' | 'originKeys' | 'releases'>

/** The columns of a release that a lockfile needs. */
interface ReleaseRow {
  readonly ident: string
  readonly target: Target
  readonly checksum: string
  readonly size_bytes: number
  readonly visibility: string
  readonly signer: string
}

const COLUMNS = [
  'releases.ident',
  'releases.target',
  'releases.checksum',
  'releases.size_bytes',
  'releases.visibility',
  'releases.signer',
] as const
const PAGE_SIZE = 500

/**
 * Reads the contents of a lockfile of a view at a revision, for an audience: the answers of `latest`, and
 * their dependencies for the same target as far as the depot has them. Throws `conflict`, naming releases
 * that were deleted since or that upstream has only announced, and `too_large`.
 */
export async function readContent(db: Db, request: LockfileRequest, audience: Audience): Promise<Content> {
  const { view, revision } = request
  const pointers: ReleaseRow[] = []
  const deleted: ReleaseRow[] = []
  const announced: ReleaseRow[] = []
  /** The idents of dependencies, by target. */
  const needed = new Map<Target, Set<string>>()
  for await (const { tdeps, deleted_at, is_announced, ...row } of readPointers(db, request, audience)) {
    if (deleted_at !== null) {
      deleted.push(row)
      continue
    }
    if (is_announced === 1) {
      announced.push(row)
      continue
    }
    pointers.push(row)
    expectWithinLimit(pointers.length)
    const ofTarget = needed.get(row.target) ?? new Set()
    for (const ident of JSON.parse(tdeps) as string[]) ofTarget.add(ident)
    needed.set(row.target, ofTarget)
  }
  if (deleted.length > 0 && !request.skipsDeleted) throw deletedSince(view, revision, deleted)
  if (announced.length > 0) throw notHere(view, revision, announced)

  for (const { ident, target } of pointers) needed.get(target)?.delete(ident)
  const dependencies: ReleaseRow[] = []
  let absent = 0
  for (const [target, idents] of needed) {
    const found = await readDependencies(db, [...idents], target, audience)
    for (const row of found) dependencies.push(row)
    expectWithinLimit(pointers.length + dependencies.length)
    absent += idents.size - found.length
  }
  const { at, ...ledger } = await findHeadOf(db, view.id, revision)
  return {
    ledger,
    at: revision === 0 ? view.createdAt : at,
    skipped: deleted.length,
    absent,
    originKeys: await readKeys(db, [...pointers, ...dependencies]),
    releases: [
      ...pointers.map((row) => lockedOf(row, { isDependency: false })),
      ...dependencies.map((row) => lockedOf(row, { isDependency: true })),
    ],
  }
}

/**
 * Checks that the depot has each release, visible to the audience, with the checksum in the lockfile. Throws
 * `release_differs` and `not_found`, with a part for each release.
 */
export async function expectSameReleases(
  db: Db,
  releases: readonly LockedRelease[],
  audience: Audience,
): Promise<void> {
  const missing: ErrorPart[] = []
  const differing: ErrorPart[] = []
  for (const batch of inBatches(releases)) {
    const here = await findReleases(db, batch, audience)
    for (const { ident, target, checksum } of batch) {
      const found = here.get(releaseKey({ ident, target }))?.checksum
      if (found === undefined) missing.push({ detail: `there is no release ${ident} for ${target}` })
      else if (found !== checksum)
        differing.push({
          detail: `${ident} for ${target} has other bytes here: its checksum is ${found} here and ${checksum} in the lockfile`,
        })
    }
    await setImmediate()
  }
  if (differing.length > 0) throw refusalOf('release_differs', differing)
  if (missing.length > 0) throw refusalOf('not_found', missing)
}

/** Reads the answers of `latest` in the view, also those that were deleted since. */
async function* readPointers(
  db: Db,
  { view, revision, filter }: LockfileRequest,
  audience: Audience,
): AsyncGenerator<ReleaseRow & { tdeps: string; deleted_at: number | null; is_announced: number }> {
  const { target, ...place } = filter
  for (let after: PointerPlace | undefined; ;) {
    const page = await listPointersAt(
      db,
      view,
      revision,
      { ...place, limit: PAGE_SIZE, ...(after && { after }) },
      audience,
    )
    const ids = page
      .filter((pointer) => target === undefined || pointer.target === target)
      .map(({ releaseId }) => releaseId)
    if (ids.length > 0)
      yield* await db
        .selectFrom('releases')
        .select([...COLUMNS, 'releases.tdeps', 'releases.deleted_at', 'releases.is_announced'])
        .where('releases.id', 'in', ids)
        .execute()
    const last = page.at(-1)
    if (page.length < PAGE_SIZE || last === undefined) return
    after = [last.package, last.target]
    await setImmediate()
  }
}

async function readDependencies(
  db: Db,
  idents: readonly string[],
  target: Target,
  audience: Audience,
): Promise<ReleaseRow[]> {
  const rows: ReleaseRow[] = []
  for (const batch of inBatches(idents)) {
    rows.push(
      ...(await visible(db, audience)
        .select(COLUMNS)
        .where('releases.ident', 'in', batch)
        .where('releases.target', '=', target)
        .where('releases.is_announced', '=', 0)
        .execute()),
    )
    await setImmediate()
  }
  return rows
}

/** Reads the signers' keys. Keys may be absent if the depot does not require known signers. */
async function readKeys(db: Db, rows: readonly ReleaseRow[]): Promise<LockedKey[]> {
  const keys: LockedKey[] = []
  for (const name of new Set(rows.map(({ signer }) => signer))) {
    const parsed = parseKeyName(name)
    const key = parsed && (await findKey(db, parsed.origin, 'public', parsed.revision))
    if (key !== undefined) keys.push({ name, text: key.body })
  }
  return keys
}

function lockedOf(row: ReleaseRow, { isDependency }: { isDependency: boolean }): LockedRelease {
  return {
    ident: row.ident,
    target: row.target,
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    isDependency,
    isPrivate: row.visibility !== 'public',
  }
}

/** Throws `too_large` if a lockfile would have more than {@link MAX_LOCKED_RELEASES} releases. */
function expectWithinLimit(count: number): void {
  if (count > MAX_LOCKED_RELEASES)
    throw new DepotError(
      'too_large',
      `a lockfile has at most ${MAX_LOCKED_RELEASES} releases, and this would have more: narrow it by origin, name or target`,
    )
}

function deletedSince(view: View, revision: number, rows: readonly ReleaseRow[]): DepotError {
  const { code, message, parts } = refusalOf(
    'conflict',
    rows.map(({ ident, target }) => ({ detail: `${ident} for ${target} was deleted since` })),
  )
  return new DepotError(
    code,
    `${view.name} cannot be locked at revision ${revision}: ${message}. skip_deleted=true leaves them out`,
    { parts },
  )
}

/** A lockfile is a signed statement about bytes, which an announced release does not have. */
function notHere(view: View, revision: number, rows: readonly ReleaseRow[]): DepotError {
  const { code, message, parts } = refusalOf(
    'conflict',
    rows.map(({ ident, target }) => ({
      detail: `${ident} for ${target} is known by the word of upstream alone`,
    })),
  )
  return new DepotError(
    code,
    `${view.name} cannot be locked at revision ${revision}: ${message}. Fetch these releases first, or narrow the lockfile by origin, name or target`,
    { parts },
  )
}
