import type { Visibility } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { usingIndex } from '../database/engine-sql.ts'
import { prepared } from '../database/prepared.ts'
import type { PackageType } from '../hart/metadata.ts'
import type { Target } from '../package/target.ts'
import type { Release } from './release.ts'

/** What an upload is checked against. */
export interface UploadRows {
  /** Whether releases of the origin come from upstream. */
  readonly isUpstream: boolean
  /** The release, if it is already published for the target. */
  readonly published: Pick<Release, 'checksum' | 'sizeBytes' | 'isAnnounced'> | undefined
  /** The origin's newest public key, which signs most of its packages. */
  readonly newestKey: { readonly revision: string; readonly body: string } | undefined
}

/** Reads in one query what an upload is checked against. `undefined` if there is no such origin. */
export async function findUploadRows(
  db: Db,
  upload: { origin: string; ident: string; target: Target | undefined },
): Promise<UploadRows | undefined> {
  const { origin, ident, target = null } = upload
  const [row] = await uploadRows(db, { origin, ident, target })
  return (
    row && {
      isUpstream: row.is_upstream === 1,
      published: publishedOf(row),
      newestKey:
        row.revision === null || row.body === null ? undefined : { revision: row.revision, body: row.body },
    }
  )
}

const uploadRows = prepared<{ origin: string; ident: string; target: Target | null }>()(
  (db, { origin, ident, target }) =>
    db
      .selectFrom('origins')
      .leftJoin('releases', (on) =>
        on
          .on('releases.ident', '=', ident)
          .on('releases.target', '=', target)
          .on('releases.deleted_at', 'is', null),
      )
      .leftJoin('origin_keys', (on) =>
        on.onRef('origin_keys.origin_id', '=', 'origins.id').on('origin_keys.kind', '=', 'public'),
      )
      .select(['is_upstream', 'releases.checksum', 'releases.size_bytes', 'releases.is_announced'])
      .select(['origin_keys.revision', 'origin_keys.body'])
      .where('origins.name', '=', origin)
      .where('origins.deleted_at', 'is', null)
      .orderBy('origin_keys.revision', 'desc')
      .limit(1),
)

/** A package, with what is needed to insert a new release of it. */
export interface PackageRows {
  readonly id: number
  /** The visibility of new releases. `undefined` if the package has no settings yet. */
  readonly visibility: Visibility | undefined
  /** The type of the package's releases. `undefined` if it has none. */
  readonly type: PackageType | undefined
  readonly published: UploadRows['published']
}

/**
 * Reads in one query what is needed to insert a release. Returns `undefined` if there is no such package.
 */
export async function findPackageRows(
  db: Db,
  upload: { originId: number; name: string; ident: string; target: Target },
): Promise<PackageRows | undefined> {
  const [row] = await packageRows(db, upload)
  return (
    row && {
      id: row.id,
      visibility: row.visibility ?? undefined,
      type: row.package_type ?? undefined,
      published: publishedOf(row),
    }
  )
}

const packageRows = prepared<{ originId: number; name: string; ident: string; target: Target }>()(
  (db, { originId, name, ident, target }) =>
    db
      .selectFrom('packages')
      .leftJoin('package_settings', 'package_settings.package_id', 'packages.id')
      .leftJoin('releases as published', (on) =>
        on
          .on('published.ident', '=', ident)
          .on('published.target', '=', target)
          .on('published.deleted_at', 'is', null),
      )
      .select(['packages.id', 'package_settings.visibility'])
      .select(['published.checksum', 'published.size_bytes', 'published.is_announced'])
      .select((eb) =>
        eb
          .selectFrom(usingIndex('releases', 'releases_of_package'))
          .select('releases.package_type')
          .whereRef('releases.package_id', '=', 'packages.id')
          .where('releases.deleted_at', 'is', null)
          .limit(1)
          .as('package_type'),
      )
      .where('packages.origin_id', '=', originId)
      .where('packages.name', '=', name),
)

function publishedOf(row: {
  checksum: string | null
  size_bytes: number | null
  is_announced: number | null
}): UploadRows['published'] {
  return row.checksum === null || row.size_bytes === null
    ? undefined
    : { checksum: row.checksum, sizeBytes: row.size_bytes, isAnnounced: row.is_announced === 1 }
}
