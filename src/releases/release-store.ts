import type { Selectable } from 'kysely'
import { UNRESTRICTED_AUDIENCE } from '../access/access.ts'
import type { Audience, Visibility } from '../access/access.ts'
import { usingIndex } from '../database/engine-sql.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { ReleasesTable } from '../database/tables/releases.ts'
import { lineOf, parseIdent } from '../package/ident.ts'
import { DepotError } from '../errors.ts'
import { noticeOf } from '../package/mark.ts'
import type { Line } from '../package/ident.ts'
import { DEFAULT_TARGET } from '../package/target.ts'
import type { Target } from '../package/target.ts'
import type { ViewRule } from '../views/rule.ts'
import type { Release } from './release.ts'
import { NOT_PUBLIC, holdsAt, visible, visibleTo } from './visible-store.ts'

/** Finds a visible release. Without a target, the one for `x86_64-linux` or else the first target by name. */
export async function findRelease(
  db: Db,
  ident: string,
  target: Target | undefined,
  audience: Audience,
): Promise<Release | undefined> {
  return pick(visible(db, audience), ident, target)
}

/** Returns what {@link findRelease} finds. Throws `not_found`. */
export async function getRelease(
  db: Db,
  ident: string,
  target: Target | undefined,
  audience: Audience,
): Promise<Release> {
  const release = await findRelease(db, ident, target, audience)
  if (release === undefined) throw new DepotError('not_found', `there is no release ${ident}`)
  return release
}

/**
 * Like {@link findRelease}, but also finds `hidden` releases, which can be downloaded by name
 * (habitat-today.md 3.9).
 */
export async function findDownload(
  db: Db,
  ident: string,
  target: Target | undefined,
  audience: Audience,
): Promise<Release | undefined> {
  const releases = visible(db, UNRESTRICTED_AUDIENCE).where((eb) =>
    eb.or([visibleTo(eb, audience), eb('releases.visibility', '=', 'hidden')]),
  )
  return pick(releases, ident, target)
}

/**
 * Lists the releases that are not public, and the deleted ones that were not public. `hasNoPublicRelease`
 * is about the whole line.
 */
export async function listNotPublic(
  db: Db,
): Promise<{ line: Line; ident: string; isDeleted: boolean; hasNoPublicRelease: boolean }[]> {
  const rows = await db
    .selectFrom('releases')
    .select(['releases.ident', 'releases.target', 'releases.deleted_at'])
    .select((eb) =>
      eb
        .exists(
          eb
            .selectFrom('releases as other')
            .select('other.id')
            .whereRef('other.package_id', '=', 'releases.package_id')
            .whereRef('other.target', '=', 'releases.target')
            .where('other.visibility', '=', 'public')
            .where('other.deleted_at', 'is', null),
        )
        .as('has_public'),
    )
    .where(NOT_PUBLIC)
    .execute()
  return rows.map(({ ident, target, deleted_at, has_public }) => ({
    line: lineOf({ ident, target }),
    ident,
    isDeleted: deleted_at !== null,
    hasNoPublicRelease: !has_public,
  }))
}

/** Finds a visible release whose file has this checksum, the one published first. */
export async function findReleaseByChecksum(
  db: Db,
  checksum: string,
  audience: Audience,
): Promise<Release | undefined> {
  const row = await visible(db, audience)
    .selectAll('releases')
    .where('releases.checksum', '=', checksum)
    .orderBy('releases.id')
    .limit(1)
    .executeTakeFirst()
  return row && releaseOf(row)
}

/** Reports whether an ident is published for a target, or for any, whatever its visibility. */
export async function releaseExists(db: Db, ident: string, target: Target | undefined): Promise<boolean> {
  const row = await db
    .selectFrom('releases')
    .select('id')
    .where('ident', '=', ident)
    .where('deleted_at', 'is', null)
    .$if(target !== undefined, (query) => query.where('target', '=', target ?? DEFAULT_TARGET))
    .executeTakeFirst()
  return row !== undefined
}

/** Finds the checksum and size of a release, whatever its visibility. */
export async function findReleaseBlob(
  db: Db,
  ident: string,
  target: Target,
): Promise<Pick<Release, 'checksum' | 'sizeBytes'> | undefined> {
  const [row] = await blobOfRelease(db, { ident, target })
  return row && { checksum: row.checksum, sizeBytes: row.size_bytes }
}

const blobOfRelease = prepared<{ ident: string; target: Target }>()((db, { ident, target }) =>
  db
    .selectFrom('releases')
    .select(['checksum', 'size_bytes'])
    .where('ident', '=', ident)
    .where('deleted_at', 'is', null)
    .where('target', '=', target),
)

/** Lists the visible targets of an ident, by name. */
export async function listTargets(
  db: Db,
  ident: string,
  audience: Audience = UNRESTRICTED_AUDIENCE,
): Promise<Target[]> {
  const rows = await visible(db, audience)
    .select('releases.target')
    .where('releases.ident', '=', ident)
    .orderBy('releases.target')
    .execute()
  return rows.map((row) => row.target)
}

/** Like {@link listTargets} for many idents, by ident. Unpublished idents are absent. */
export async function listTargetsOf(
  db: Db,
  idents: Iterable<string>,
  audience: Audience,
): Promise<Map<string, Target[]>> {
  const found = new Map<string, Target[]>()
  for (const batch of inBatches(idents)) {
    const rows = await visible(db, audience)
      .select(['releases.ident', 'releases.target'])
      .where('releases.ident', 'in', batch)
      .orderBy('releases.target')
      .execute()
    for (const { ident, target } of rows) found.set(ident, [...(found.get(ident) ?? []), target])
  }
  return found
}

/**
 * Finds the answer of `latest` for an audience: the latest release of a package, or of one version of it, in
 * a view (decision 0001), now or at a revision. `rule` is the rule of the view at that time.
 */
export async function findLatest(
  db: Db,
  question: {
    view: { id: number; rule: ViewRule }
    revision?: number
    origin: string
    name: string
    version: string | undefined
    target: Target
  },
  audience: Audience,
): Promise<Release | undefined> {
  const { view, version, revision, origin, name, target } = question
  const members = db
    .selectFrom('origins')
    .crossJoin('packages')
    .crossJoin(revision === undefined ? usingIndex('members', 'members_current') : 'members')
    .crossJoin('releases')
    .selectAll('releases')
    .select((eb) => eb.case().when(visibleTo(eb, audience)).then(1).else(0).end().as('is_visible'))
    .whereRef('packages.origin_id', '=', 'origins.id')
    .whereRef('members.package_id', '=', 'packages.id')
    .whereRef('releases.id', '=', 'members.release_id')
    .where('members.view_id', '=', view.id)
    .where((eb) => holdsAt(eb, revision))
    .where('members.is_skipped', '=', 0)
    .where('origins.name', '=', origin)
    .where('packages.name', '=', name)
    .where('releases.target', '=', target)
    .$if(version !== undefined, (query) => query.where('releases.version', '=', version ?? ''))
    .limit(1)
  if (view.rule === 'promoted') {
    const row = await members
      .orderBy('members.from_revision', 'desc')
      .orderBy('members.position', 'desc')
      .executeTakeFirst()
    // If the audience may not see the release that was promoted last, there is no answer, rather than an
    // earlier release.
    return row?.is_visible === 1 ? releaseOf(row) : undefined
  }
  const row = await members
    .where((eb) => visibleTo(eb, audience))
    .orderBy('releases.order_key', 'desc')
    .executeTakeFirst()
  return row && releaseOf(row)
}

/** Reports whether a release is a current member of the view of this name. */
export async function isInView(db: Db, view: string, releaseId: number): Promise<boolean> {
  const row = await db
    .selectFrom(usingIndex('members', 'members_by_release'))
    .innerJoin('views', 'views.id', 'members.view_id')
    .select('members.from_revision')
    .where('members.release_id', '=', releaseId)
    .where('views.name', '=', view)
    .where('members.to_revision', 'is', null)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Lists the open views that a release is in, by name in descending order. `revision` is the one at which the
 * release joined. Habitat's clients show the times, which are epoch milliseconds.
 */
export async function listViewsOf(
  db: Db,
  releaseId: number,
): Promise<{ name: string; revision: number; promotedAt: number; channelCreatedAt: number }[]> {
  const rows = await db
    .selectFrom('members')
    .innerJoin('views', 'views.id', 'members.view_id')
    .innerJoin('packages', 'packages.id', 'members.package_id')
    .innerJoin('ledger', (on) =>
      on
        .onRef('ledger.view_id', '=', 'members.view_id')
        .onRef('ledger.revision', '=', 'members.from_revision'),
    )
    .leftJoin('channels', (on) =>
      on
        .onRef('channels.view_id', '=', 'members.view_id')
        .onRef('channels.origin_id', '=', 'packages.origin_id'),
    )
    .select([
      'views.name',
      'members.from_revision',
      'ledger.at',
      'channels.created_at',
      'views.created_at as view_created_at',
    ])
    .where('members.release_id', '=', releaseId)
    .where('members.to_revision', 'is', null)
    .orderBy('views.name', 'desc')
    .execute()
  return rows.map((row) => ({
    name: row.name,
    revision: row.from_revision,
    promotedAt: row.at,
    channelCreatedAt: row.created_at ?? row.view_created_at,
  }))
}

/** Marks a release as deleted and returns its checksum. The row is kept for the history of views. */
export async function markReleaseDeleted(db: Db, releaseId: number, at: number): Promise<string> {
  const { checksum } = await db
    .updateTable('releases')
    .set({ deleted_at: at })
    .where('id', '=', releaseId)
    .returning('checksum')
    .executeTakeFirstOrThrow()
  return checksum
}

/** Sets the visibility of an ident for one target or all. Returns the targets that changed, by name. */
export async function updateVisibility(
  db: Db,
  ident: string,
  to: { visibility: Visibility; target?: Target },
  at: number,
): Promise<Target[]> {
  const { visibility, target } = to
  const rows = await db
    .updateTable('releases')
    .set({ visibility, updated_at: at })
    .where('ident', '=', ident)
    .$if(target !== undefined, (query) => query.where('target', '=', target ?? DEFAULT_TARGET))
    .where('deleted_at', 'is', null)
    .where('visibility', '!=', visibility)
    .returning('target')
    .execute()
  return rows.map((row) => row.target).toSorted()
}

/**
 * Returns the release of an ident for a target. Without a target, returns the one for `x86_64-linux`, or else
 * for the first target by name.
 */
async function pick(
  releases: ReturnType<typeof visible>,
  ident: string,
  target: Target | undefined,
): Promise<Release | undefined> {
  const rows = await releases
    .selectAll('releases')
    .where('releases.ident', '=', ident)
    .$if(target !== undefined, (query) => query.where('releases.target', '=', target ?? DEFAULT_TARGET))
    .orderBy('releases.target')
    .execute()
  const row = rows.find((candidate) => candidate.target === DEFAULT_TARGET) ?? rows[0]
  return row && releaseOf(row)
}

/** Converts a row of releases. */
export function releaseOf(row: Selectable<ReleasesTable>): Release {
  return {
    id: row.id,
    ident: parseIdent(row.ident),
    target: row.target,
    visibility: row.visibility,
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    signer: row.signer,
    isVerified: row.is_verified === 1,
    publisherId: row.publisher_id,
    source: row.source ?? undefined,
    packageType: row.package_type,
    svcUser: row.svc_user ?? undefined,
    svcGroup: row.svc_group ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    exposes: JSON.parse(row.exposes) as number[],
    deps: JSON.parse(row.deps) as string[],
    tdeps: JSON.parse(row.tdeps) as string[],
    buildDeps: JSON.parse(row.build_deps) as string[],
    buildTdeps: JSON.parse(row.build_tdeps) as string[],
    config: row.config,
    manifest: row.manifest,
    yanked: noticeOf(row.yanked),
    deprecated: noticeOf(row.deprecated),
    held: noticeOf(row.held),
    isAnnounced: row.is_announced === 1,
  }
}
