import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import type { Visibility } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { formatIdent, packageOf } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { noticeOf } from '../package/mark.ts'
import { DEFAULT_TARGET } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { viewReleaseOf, viewReleases } from '../revisions/member-store.ts'
import type { ViewRelease } from '../views/view.ts'

/** A release that may be removed. */
export interface Candidate extends ViewRelease {
  readonly visibility: Visibility
  readonly checksum: string
  readonly sizeBytes: number
  /** Epoch milliseconds. */
  readonly createdAt: number
  /** The reason of its hold. */
  readonly held: string | undefined
  /** Whether its origin comes from upstream. Then upstream's channels decide which views contain it. */
  readonly isUpstream: boolean
}

/** The place of a release in the list of all: package, target and order of version, all descending. */
export type CandidatePlace = readonly [packageId: number, target: Target, orderKey: string]

/** The maximum number of releases that one command retires, so that no commit takes long. */
export const MAX_RETIRED_AT_ONCE = 25

/** The place before the first release. */
const BEGINNING: CandidatePlace = [Number.MAX_SAFE_INTEGER, DEFAULT_TARGET, '']
/** The target and order before the first release of a package: targets come in descending order. */
const BEGINNING_OF_PACKAGE = ['~', ''] as const

/** A part of the list of all releases. */
export interface CandidatePage {
  readonly after: CandidatePlace | undefined
  readonly limit: number
  /** Only releases of this origin. */
  readonly origin?: string | undefined
  /** Only releases of the package of this name in the origin. */
  readonly name?: string | undefined
}

/**
 * Lists releases that are not deleted, a page at a time. Packages come in the reverse order of their first
 * release, so that most packages come before the packages that they need.
 */
export async function listCandidates(db: Db, page: CandidatePage): Promise<Candidate[]> {
  const { after = BEGINNING, limit, origin, name } = page
  if (origin !== undefined) return listOfOrigin(db, { ...page, origin, name })
  const rows = await candidates(db)
    .where((eb) =>
      eb(
        eb.refTuple('releases.package_id', 'releases.target', 'releases.order_key'),
        '<',
        eb.tuple(...after),
      ),
    )
    .orderBy('releases.package_id', 'desc')
    .orderBy('releases.target', 'desc')
    .orderBy('releases.order_key', 'desc')
    .limit(limit)
    .execute()
  return rows.map(candidateOf)
}

/** Lists the releases of an origin, package by package, so that each page reads only its own rows. */
async function listOfOrigin(
  db: Db,
  { after = BEGINNING, limit, origin, name }: CandidatePage & { readonly origin: string },
): Promise<Candidate[]> {
  const found: Candidate[] = []
  const packages = await db
    .selectFrom('origins')
    .innerJoin('packages', 'packages.origin_id', 'origins.id')
    .select('packages.id')
    .where('origins.name', '=', origin)
    .$if(name !== undefined, (query) => query.where('packages.name', '=', name ?? ''))
    .where('packages.id', '<=', after[0])
    .orderBy('packages.id', 'desc')
    .execute()
  for (const { id } of packages) {
    const [, target, orderKey] = after
    const beginning = id === after[0] ? ([target, orderKey] as const) : BEGINNING_OF_PACKAGE
    const rows = await candidates(db)
      .where('releases.package_id', '=', id)
      .where(sql<SqlBool>`(releases.target, releases.order_key) < (${beginning[0]}, ${beginning[1]})`)
      .orderBy('releases.target', 'desc')
      .orderBy('releases.order_key', 'desc')
      .limit(limit - found.length)
      .execute()
    found.push(...rows.map(candidateOf))
    if (found.length >= limit) return found
  }
  return found
}

/** Finds releases by name. Deleted ones are left out. */
export async function findCandidates(db: Db, names: readonly ReleaseName[]): Promise<Candidate[]> {
  const found: Candidate[] = []
  for (const batch of inBatches(names)) {
    const targets = new Set(batch.map(({ ident, target }) => `${ident} ${target}`))
    const rows = await candidates(db)
      .where(
        'releases.ident',
        'in',
        batch.map(({ ident }) => ident),
      )
      .execute()
    found.push(...rows.filter((row) => targets.has(`${row.ident} ${row.target}`)).map(candidateOf))
  }
  return found
}

/**
 * Lists the releases that need a release, at most `limit`. It walks the packages that need the package by
 * seeking from one to the next, so its cost does not grow with their releases.
 */
export async function listNeeding(db: Db, release: ViewRelease, limit: number): Promise<Candidate[]> {
  const ident = formatIdent(release.ident)
  const dependency = packageOf(ident)
  const needing: Candidate[] = []
  for (let packageId = 0; needing.length < limit;) {
    const next = await db
      .selectFrom('release_dependencies')
      .select('package_id')
      .where('dependency', '=', dependency)
      .where('target', '=', release.target)
      .where('package_id', '>', packageId)
      .orderBy('package_id')
      .limit(1)
      .executeTakeFirst()
    if (next === undefined) return needing
    packageId = next.package_id
    const rows = await candidates(db)
      .where('releases.id', 'in', (eb) =>
        eb
          .selectFrom('release_dependencies')
          .select('release_id')
          .where('dependency', '=', dependency)
          .where('target', '=', release.target)
          .where('package_id', '=', packageId)
          .where('ident', '=', ident)
          .where('release_id', '!=', release.releaseId)
          .limit(limit - needing.length),
      )
      .execute()
    needing.push(...rows.map(candidateOf))
  }
  return needing
}

/**
 * Lists the ids of the highest releases of a line that are not yanked. If all are yanked, lists the highest.
 */
export async function listHighest(
  db: Db,
  { packageId, target }: Pick<ViewRelease, 'packageId' | 'target'>,
  limit: number,
): Promise<number[]> {
  const highest = db
    .selectFrom(usingIndex('releases', 'releases_by_order'))
    .select('releases.id')
    .where('releases.package_id', '=', packageId)
    .where('releases.target', '=', target)
    .where('releases.deleted_at', 'is', null)
    .orderBy('releases.order_key', 'desc')
  const rows = await highest.where('releases.yanked', 'is', null).limit(limit).execute()
  return (rows.length > 0 ? rows : await highest.limit(1).execute()).map(({ id }) => id)
}

/** Lists those of the checksums that only one release has, and whose bytes are stored. */
export async function listUnshared(db: Db, checksums: Iterable<string>): Promise<Set<string>> {
  const unshared = new Set<string>()
  for (const batch of inBatches(checksums)) {
    const rows = await db
      .selectFrom('releases')
      .innerJoin('blobs', 'blobs.checksum', 'releases.checksum')
      .select('releases.checksum')
      .where('releases.checksum', 'in', batch)
      .where('releases.deleted_at', 'is', null)
      .where('blobs.removed_at', 'is', null)
      .groupBy('releases.checksum')
      .having((eb) => eb.fn.countAll(), '=', 1)
      .execute()
    for (const { checksum } of rows) unshared.add(checksum)
  }
  return unshared
}

function candidates(db: Db) {
  return viewReleases(db)
    .innerJoin('origins', 'origins.id', 'packages.origin_id')
    .select([
      'releases.visibility',
      'releases.checksum',
      'releases.size_bytes',
      'releases.created_at',
      'releases.held',
      'origins.is_upstream',
    ])
}

type CandidateRow = Awaited<ReturnType<ReturnType<typeof candidates>['executeTakeFirstOrThrow']>>

function candidateOf(row: CandidateRow): Candidate {
  return {
    ...viewReleaseOf(row),
    visibility: row.visibility,
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
    held: noticeOf(row.held)?.reason,
    isUpstream: row.is_upstream === 1,
  }
}
