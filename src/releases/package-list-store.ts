import type { Audience, Visibility } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import { noticeOf } from '../package/mark.ts'
import type { Notice } from '../package/mark.ts'
import { TARGETS } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import { countedIn } from './ident-count-store.ts'
import { describePackages, packagesBelow } from './list-store.ts'
import type { ListedPackage } from './list-store.ts'
import { visibleTo } from './visible-store.ts'

// Lists of packages and of their releases. A page begins after a place, which is the sort key of the last
// item of the page before.

/** A release in the list of its package. */
export interface ListedRelease {
  readonly ident: string
  readonly target: Target
  readonly visibility: Visibility
  readonly checksum: string
  readonly sizeBytes: number
  /** Empty if it is only announced. */
  readonly signer: string
  readonly createdAt: number
  /** The open views that have the release, by name. */
  readonly views: readonly string[]
  readonly yanked: Notice | undefined
  readonly deprecated: Notice | undefined
  readonly isAnnounced: boolean
  readonly place: ReleasePlace
}

/** A place in the list of a package's releases: its sort key. */
export type ReleasePlace = readonly [orderKey: string, target: Target]

/** Lists the packages of an origin with a visible release, by name. */
export async function listPackagesAfter(
  db: Db,
  origin: string,
  { after, limit }: { after: string | undefined; limit: number },
  audience: Audience,
): Promise<ListedPackage[]> {
  const rows = await countedIn(packagesBelow(db, [origin]), {}, audience)
    .select(['packages.id', 'packages.name'])
    .$if(after !== undefined, (query) => query.where('packages.name', '>', after ?? ''))
    .orderBy('packages.name')
    .limit(limit)
    .execute()
  const named = rows.map(({ id, name }) => ({ id, origin, name }))
  return describePackages(db, named, audience)
}

/**
 * Lists the visible releases of a package, or of one version, highest first. The releases of one ident are
 * sorted by target, in descending order.
 */
export async function listReleasesOf(
  db: Db,
  of: { origin: string; name: string; version: string | undefined },
  { after, limit }: { after: ReleasePlace | undefined; limit: number },
  audience: Audience,
): Promise<ListedRelease[]> {
  // Reads a page of each target, because the index has the releases of one target in order, and merges them.
  const ofTargets = await Promise.all(
    TARGETS.map((target) => releasesBelow(db, of, { target, after, limit }, audience)),
  )
  const rows = ofTargets
    .flat()
    .toSorted((a, b) => (isBefore(a, b) ? -1 : 1))
    .slice(0, limit)
  const views = await viewsOf(
    db,
    rows.map(({ id }) => id),
  )
  return rows.map((row) => ({
    ident: row.ident,
    target: row.target,
    visibility: row.visibility,
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    signer: row.signer,
    createdAt: row.created_at,
    views: views.get(row.id) ?? [],
    yanked: noticeOf(row.yanked),
    deprecated: noticeOf(row.deprecated),
    isAnnounced: row.is_announced === 1,
    place: [row.order_key, row.target],
  }))
}

/** Lists the targets for which a package has a visible release, in the order of {@link TARGETS}. */
export async function listTargetsOfPackage(
  db: Db,
  { origin, name }: { origin: string; name: string },
  audience: Audience,
): Promise<Target[]> {
  const of = { origin, name, version: undefined }
  const highest = await Promise.all(
    TARGETS.map((target) => releasesBelow(db, of, { target, after: undefined, limit: 1 }, audience)),
  )
  return highest.flatMap(([release]) => release?.target ?? [])
}

/** The columns that sort releases. */
interface Placed {
  readonly order_key: string
  readonly target: Target
}

function isBefore(a: Placed, b: Placed): boolean {
  return a.order_key === b.order_key ? a.target > b.target : a.order_key > b.order_key
}

/** A text above every sort key: sort keys have only ASCII characters. */
const LAST_ORDER_KEY = '\u{10FFFF}'

/** Reads the highest visible releases of a package for one target: those after a place. */
async function releasesBelow(
  db: Db,
  { origin, name, version }: { origin: string; name: string; version: string | undefined },
  { target, after, limit }: { target: Target; after: ReleasePlace | undefined; limit: number },
  audience: Audience,
) {
  const [orderKey, afterTarget] = after ?? [LAST_ORDER_KEY, target]
  return packagesBelow(db, [origin, name])
    .crossJoin(usingIndex('releases', 'releases_by_order'))
    .select([
      'releases.id',
      'releases.ident',
      'releases.target',
      'releases.visibility',
      'releases.checksum',
      'releases.size_bytes',
      'releases.signer',
      'releases.created_at',
      'releases.order_key',
      'releases.yanked',
      'releases.deprecated',
      'releases.is_announced',
    ])
    .whereRef('releases.package_id', '=', 'packages.id')
    .where('releases.target', '=', target)
    .where('releases.order_key', target < afterTarget ? '<=' : '<', orderKey)
    .where('releases.deleted_at', 'is', null)
    .where((eb) => visibleTo(eb, audience))
    .$if(version !== undefined, (query) => query.where('releases.version', '=', version ?? ''))
    .orderBy('releases.order_key', 'desc')
    .limit(limit)
    .execute()
}

/** Returns the names of the open views that have the releases, sorted, by the id of the release. */
async function viewsOf(db: Db, releaseIds: readonly number[]): Promise<Map<number, string[]>> {
  const rows = await db
    .selectFrom(usingIndex('members', 'members_by_release'))
    .innerJoin('views', 'views.id', 'members.view_id')
    .select(['members.release_id', 'views.name'])
    .where('members.release_id', 'in', releaseIds)
    .where('members.to_revision', 'is', null)
    .orderBy('views.name')
    .execute()
  const found = new Map<number, string[]>()
  for (const { release_id, name } of rows) found.set(release_id, [...(found.get(release_id) ?? []), name])
  return found
}
