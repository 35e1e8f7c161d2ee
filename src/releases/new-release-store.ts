import type { Insertable } from 'kysely'
import type { Visibility } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import type { ReleasesTable } from '../database/tables/releases.ts'
import { formatIdent } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { Mark } from '../package/mark.ts'
import { orderKey } from '../package/version.ts'
import type { Release } from './release.ts'

// Writes the rows of new releases. A release that upstream announced gets its content when its bytes arrive.

/** Inserts a release of a package. Returns its id. */
export async function insertRelease(
  db: Db,
  packageId: number,
  release: Omit<Release, 'id' | Mark>,
): Promise<number> {
  const [row] = await newRelease(db, {
    package_id: packageId,
    ident: formatIdent(release.ident),
    target: release.target,
    version: release.ident.version,
    order_key: orderKey(release.ident),
    visibility: release.visibility,
    checksum: release.checksum,
    publisher_id: release.publisherId,
    created_at: release.createdAt,
    is_announced: release.isAnnounced ? 1 : 0,
    ...contentOf(release),
  })
  if (row === undefined) throw new Error('an inserted release has an id')
  return row.id
}

/** What the bytes of a release say. */
type Content = Pick<
  Release,
  | 'sizeBytes'
  | 'signer'
  | 'isVerified'
  | 'source'
  | 'packageType'
  | 'svcUser'
  | 'svcGroup'
  | 'updatedAt'
  | 'exposes'
  | 'deps'
  | 'tdeps'
  | 'buildDeps'
  | 'buildTdeps'
  | 'config'
  | 'manifest'
>

/**
 * Replaces what upstream said of an announced release by what its bytes say. Returns the visibility of the
 * release.
 */
export async function storeContent(db: Db, releaseId: number, content: Content): Promise<Visibility> {
  const { visibility } = await db
    .updateTable('releases')
    .set({ ...contentOf(content), is_announced: 0 })
    .where('id', '=', releaseId)
    .returning('visibility')
    .executeTakeFirstOrThrow()
  return visibility
}

function contentOf(content: Content) {
  return {
    size_bytes: content.sizeBytes,
    signer: content.signer,
    is_verified: content.isVerified ? 1 : 0,
    source: content.source ?? null,
    package_type: content.packageType,
    svc_user: content.svcUser ?? null,
    svc_group: content.svcGroup ?? null,
    updated_at: content.updatedAt,
    exposes: JSON.stringify(content.exposes),
    deps: JSON.stringify(content.deps),
    tdeps: JSON.stringify(content.tdeps),
    build_deps: JSON.stringify(content.buildDeps),
    build_tdeps: JSON.stringify(content.buildTdeps),
    config: content.config,
    manifest: content.manifest,
  }
}

const newRelease = prepared<Omit<Insertable<ReleasesTable>, 'id' | 'deleted_at' | Mark>>()((db, slots) =>
  db
    .insertInto('releases')
    .values({
      package_id: slots.package_id,
      ident: slots.ident,
      target: slots.target,
      version: slots.version,
      order_key: slots.order_key,
      visibility: slots.visibility,
      checksum: slots.checksum,
      size_bytes: slots.size_bytes,
      signer: slots.signer,
      is_verified: slots.is_verified,
      publisher_id: slots.publisher_id,
      source: slots.source,
      package_type: slots.package_type,
      svc_user: slots.svc_user,
      svc_group: slots.svc_group,
      created_at: slots.created_at,
      updated_at: slots.updated_at,
      deleted_at: null,
      yanked: null,
      deprecated: null,
      held: null,
      exposes: slots.exposes,
      deps: slots.deps,
      tdeps: slots.tdeps,
      build_deps: slots.build_deps,
      build_tdeps: slots.build_tdeps,
      config: slots.config,
      manifest: slots.manifest,
      is_announced: slots.is_announced,
    })
    .returning('id'),
)

/** Lists the releases whose bytes have not arrived yet. Reads every release. */
export async function listAnnounced(db: Db): Promise<ReleaseName[]> {
  return db
    .selectFrom('releases')
    .select(['ident', 'target'])
    .where('is_announced', '=', 1)
    .where('deleted_at', 'is', null)
    .execute()
}
