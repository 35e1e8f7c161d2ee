import type { ExpressionBuilder } from 'kysely'
import type { Audience } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { Schema } from '../database/schema.ts'
import type { Target } from '../package/target.ts'
import { holdsAt, invisibleTo, visibleTo } from '../releases/visible-store.ts'
import { listVisibleSpans } from './visible-span-store.ts'
import type { Line } from './visible-span-store.ts'
import type { View } from '../views/view.ts'
import { findRevisionTime } from './revision-store.ts'

// The answers of `latest` for an audience that may not see every release of a line.

/** A member of a view at a revision. */
export interface MemberAt {
  readonly releaseId: number
  readonly ident: string
  readonly target: Target
  /** The revision since which it is a member or, in a {@link LatestAt}, the answer of `latest`. */
  readonly sinceRevision: number
  /** The time of that revision, in epoch milliseconds. */
  readonly since: number
}

/** The answer of `latest` for a line at a revision. */
export interface LatestAt extends MemberAt {
  /** The checksum of its bytes. A deleted ident may be published again with other bytes. */
  readonly checksum: string
}

/** Finds the answer of `latest` for an audience at a revision, in a view whose rule has changed. */
export async function findVisibleLatest(
  db: Db,
  view: View,
  line: Line,
  revision: number,
  audience: Audience,
): Promise<LatestAt | undefined> {
  const spans = await listVisibleSpans(db, view, line, audience)
  const span = spans.find(({ from, to }) => from <= revision && revision < (to ?? Infinity))
  if (span === undefined) return undefined
  // An ident may have been deleted and published again: take the release that was a member at the time.
  const release = await db
    .selectFrom('members')
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .select(['members.release_id', 'releases.ident', 'releases.checksum', 'releases.target'])
    .where('members.view_id', '=', view.id)
    .where('members.package_id', '=', line.packageId)
    .where('releases.ident', '=', span.ident)
    .where('releases.target', '=', line.target)
    .where((eb) => holdsAt(eb, revision))
    .executeTakeFirst()
  if (release === undefined) return undefined
  const { release_id, ...fields } = release
  return {
    releaseId: release_id,
    ...fields,
    sinceRevision: span.from,
    since: (await findRevisionTime(db, view.id, span.from)) ?? 0,
  }
}

/**
 * Finds the highest visible member of a line at a revision, and since when it has been the highest visible
 * one.
 */
export async function findHighestVisible(
  db: Db,
  viewId: number,
  line: Line,
  revision: number,
  audience: Audience,
): Promise<LatestAt | undefined> {
  const members = db
    .selectFrom('members')
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .where('members.view_id', '=', viewId)
    .where('members.package_id', '=', line.packageId)
    .where('releases.target', '=', line.target)
    .where('members.is_skipped', '=', 0)
    .where((eb) => visibleTo(eb, audience))
  const highest = await members
    .select([
      'members.release_id',
      'releases.ident',
      'releases.checksum',
      'releases.target',
      'releases.order_key',
      'members.from_revision',
    ])
    .where((eb) => holdsAt(eb, revision))
    .orderBy('releases.order_key', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (highest === undefined) return undefined
  // It has been the highest since it joined, or since the last higher member left.
  const above = await members
    .select((eb) => eb.fn.max('members.to_revision').as('left_revision'))
    .where('releases.order_key', '>', highest.order_key)
    .where('members.to_revision', '<=', revision)
    .executeTakeFirst()
  const sinceRevision = Math.max(highest.from_revision, above?.left_revision ?? 0)
  const since = await findRevisionTime(db, viewId, sinceRevision)
  return {
    releaseId: highest.release_id,
    ident: highest.ident,
    checksum: highest.checksum,
    target: highest.target,
    sinceRevision,
    since: since ?? 0,
  }
}

/** Returns an SQL condition on `lines`: the line has releases that are hidden from the audience. */
export function hasInvisible(eb: ExpressionBuilder<Schema, 'lines'>, audience: Audience) {
  return eb.exists(
    eb
      .selectFrom(usingIndex('releases', 'releases_not_public'))
      .select('releases.id')
      .whereRef('releases.package_id', '=', 'lines.package_id')
      .whereRef('releases.target', '=', 'lines.target')
      .where((inner) => invisibleTo(inner, audience)),
  )
}

/**
 * Returns an SQL condition on `lines`: at the revision, the line has a member that the audience may see and
 * that `latest` does not skip.
 */
export function hasVisibleMember(
  eb: ExpressionBuilder<Schema, 'lines'>,
  revision: number,
  audience: Audience,
) {
  return eb.exists(
    eb
      .selectFrom('members')
      .innerJoin('releases', 'releases.id', 'members.release_id')
      .select('members.release_id')
      .whereRef('members.view_id', '=', 'lines.view_id')
      .whereRef('members.package_id', '=', 'lines.package_id')
      .whereRef('releases.target', '=', 'lines.target')
      .where('members.is_skipped', '=', 0)
      .where((inner) => holdsAt(inner, revision))
      .where((inner) => visibleTo(inner, audience)),
  )
}

/**
 * Reports whether the audience may now see a member of a line of a view. Members that `latest` skips do not
 * count.
 */
export async function hasVisibleAnswers(
  db: Db,
  { id, revision }: Pick<View, 'id' | 'revision'>,
  [packageName, target]: readonly [packageName: string, target: Target],
  audience: Audience,
): Promise<boolean> {
  const row = await db
    .selectFrom('lines')
    .select('lines.package_id')
    .where('lines.view_id', '=', id)
    .where('lines.package', '=', packageName)
    .where('lines.target', '=', target)
    .where((eb) => hasVisibleMember(eb, revision, audience))
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Returns an SQL condition on `pointers`: `latest` moved to this pointer from a hidden release. The audience
 * may then have had the same answer before.
 */
export function followsInvisible(eb: ExpressionBuilder<Schema, 'pointers' | 'lines'>, audience: Audience) {
  if (audience.seesAll) return eb.lit(false)
  const before = eb
    .selectFrom('pointers as earlier')
    .select((inner) => inner.fn.max('earlier.from_revision').as('from_revision'))
    .whereRef('earlier.view_id', '=', 'lines.view_id')
    .whereRef('earlier.package_id', '=', 'lines.package_id')
    .whereRef('earlier.target', '=', 'lines.target')
    .whereRef('earlier.from_revision', '<', 'pointers.from_revision')
  const follows = eb.exists(
    eb
      .selectFrom('pointers as before')
      .innerJoin('releases', 'releases.id', 'before.release_id')
      .select('before.release_id')
      .whereRef('before.view_id', '=', 'lines.view_id')
      .whereRef('before.package_id', '=', 'lines.package_id')
      .whereRef('before.target', '=', 'lines.target')
      .where('before.from_revision', '=', before)
      .whereRef('before.to_revision', '=', 'pointers.from_revision')
      .where((inner) => inner.not(visibleTo(inner, audience))),
  )
  // Few lines have hidden releases, so the past of most lines is not read.
  return eb.and([hasInvisible(eb, audience), follows])
}
