import type { Logger } from 'pino'
import { DEPOT_ACTOR } from '../access/access.ts'
import { generateToken, hashToken } from '../accounts/token.ts'
import { countBlobs } from '../blobs/blob-store.ts'
import type { Blobs } from '../blobs/open.ts'
import type { BlobStorage } from '../blobs/storage.ts'
import type { Config } from '../config/config.ts'
import { readNamedFile } from '../config/secret-file.ts'
import { parseAdminToken } from '../config/secrets.ts'
import { DepotError } from '../errors.ts'
import { secretKeyId } from '../origins/secret-box.ts'
import { findView } from '../revisions/view-store.ts'
import { UNSTABLE } from '../views/view.ts'
import type { Depot } from './depot.ts'

/**
 * Creates what a new depot needs, and adds the administrator's token: the configured one, or for a new depot
 * without one a generated token. Throws `conflict` if the database is new, but there are packages already.
 * They belong to a depot whose database is lost or elsewhere, and this depot would remove them.
 */
export async function setUpDepot(
  {
    db,
    engine,
    writer,
    log,
    storage,
  }: Pick<Depot, 'db' | 'engine' | 'writer' | 'log'> & Pick<Blobs, 'storage'>,
  configuredToken: string | undefined,
  secretKeys: readonly Buffer[],
): Promise<Pick<Depot, 'isNew' | 'newAdminToken' | 'adminTokenStatus'>> {
  const wasEmpty = (await findView(db, UNSTABLE)) === undefined
  if (wasEmpty && (await hasPackages(storage)))
    throw new DepotError(
      'conflict',
      `DEPOT_BLOBS already has packages, but the database is new, so the packages are of another depot. If its database is lost, restore a backup into an empty folder; otherwise check DEPOT_DATA, DEPOT_DATABASE_URL and DEPOT_BLOBS`,
    )
  const generated = wasEmpty && configuredToken === undefined ? generateToken() : undefined
  const token = generated ?? configuredToken
  const status = await writer.submit({
    kind: 'setUp',
    input: {
      adminTokenHash: token === undefined ? undefined : hashToken(token),
      ...(generated !== undefined && { isGenerated: true }),
      ...(!engine.isWrittenByOneProcess && { secretKeys: secretKeys.map(secretKeyId) }),
    },
    actor: DEPOT_ACTOR,
  })
  // Another node may have created the depot meanwhile.
  const isNew = wasEmpty && status === 'added'
  if (!isNew && status === 'added')
    log.warn('the administrator can now also use the token of DEPOT_ADMIN_TOKEN; earlier tokens stay valid')
  if (status === 'revoked') log.warn('the token of DEPOT_ADMIN_TOKEN was revoked and is not valid')
  if (status === 'disabled')
    log.warn('the token of DEPOT_ADMIN_TOKEN was not added, because the account admin is disabled')
  return {
    isNew,
    newAdminToken: isNew ? generated : undefined,
    adminTokenStatus: isNew ? undefined : status,
  }
}

/** Logs an error if the folder of packages is empty, but the database lists packages. */
export async function warnOfLostPackages({
  config,
  db,
  blobs,
  log,
}: Pick<Depot, 'config' | 'db' | 'blobs' | 'log'>): Promise<void> {
  if (config.blobBucket !== undefined || (await hasPackages(blobs.storage))) return
  const packages = await countBlobs(db)
  if (packages > 0)
    log.error(
      { packages },
      'there are no packages in the folder of packages, but the database lists some: if they are on another disk, stop the depot until it is mounted, because uploads would go to the wrong one',
    )
}

/**
 * Reports whether there are packages. Returns false if their service is away, so that the depot can start.
 */
async function hasPackages(storage: BlobStorage): Promise<boolean> {
  try {
    for await (const { checksums } of storage.list()) if (checksums.length > 0) return true
    return false
  } catch (error) {
    if (error instanceof DepotError && error.code === 'storage_unavailable') return false
    throw error
  }
}

/** Reads the configured administrator's token. Throws `invalid_request`. */
export async function readAdminToken(
  { adminToken, adminTokenFile: file }: Config,
  log: Logger,
): Promise<string | undefined> {
  if (file === undefined) return adminToken
  return parseAdminToken(await readNamedFile(file, 'DEPOT_ADMIN_TOKEN_FILE', log), file)
}
