import { announceBlob } from '../../blobs/blob-store.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getUpstreamOrigin } from '../origins/adopt-origin.ts'
import type { Origin } from '../../origins/origin-store.ts'
import { formatIdent } from '../../package/ident.ts'
import type { Ident } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import { insertDependencies } from '../../releases/dependents-store.ts'
import { insertRelease } from '../../releases/new-release-store.ts'
import { findPackageRows } from '../../releases/upload-store.ts'
import { preparePackage } from '../releases/prepare-package.ts'
import type { ReleaseMetadata } from '../releases/publish-release.ts'

/** What upstream says of a release. */
export interface AnnouncedRelease {
  readonly ident: Ident
  readonly metadata: ReleaseMetadata
  readonly checksum: string
  /** 0 if upstream does not say it. */
  readonly sizeBytes: number
}

/** A release that cannot be announced, and why, as a sentence. */
export interface Unannounced {
  readonly ident: string
  readonly target: Target
  readonly why: string
}

/**
 * Announces releases of an origin: stores upstream's description of each, without bytes. Releases that the
 * depot has stay as they are. `upstream` is the URL of the depot. Returns the releases whose description
 * contradicts what the depot has. Throws `not_found` for the origin, and `refused` if it is not an upstream
 * origin.
 */
export async function announceReleases(
  context: CommandContext,
  input: { origin: string; upstream: string; releases: readonly AnnouncedRelease[] },
): Promise<{ refused: Unannounced[] }> {
  const origin = await getUpstreamOrigin(context.trx, input.origin)
  const refused: Unannounced[] = []
  for (const release of input.releases) {
    const why = await announce(context, origin, { ...release, source: input.upstream })
    if (why !== undefined)
      refused.push({ ident: formatIdent(release.ident), target: release.metadata.target, why })
  }
  return { refused }
}

/** Announces one release. Returns a sentence if it contradicts what the depot has. */
async function announce(
  context: CommandContext,
  origin: Origin,
  { ident, metadata, checksum, sizeBytes, source }: AnnouncedRelease & { readonly source: string },
): Promise<string | undefined> {
  const { trx, at } = context
  const { target, packageType } = metadata
  const text = formatIdent(ident)
  const found = await findPackageRows(trx, { originId: origin.id, name: ident.name, ident: text, target })
  if (found?.published !== undefined)
    return found.published.checksum === checksum
      ? undefined
      : `upstream has ${text} for ${target} with the checksum ${checksum}, but here it is ${found.published.checksum}`
  let packageId: number
  try {
    ;({ packageId } = await preparePackage(context, origin, found, {
      ident,
      packageType,
      ownerId: origin.ownerId,
    }))
  } catch (error) {
    if (error instanceof DepotError && error.code === 'package_type_mismatch') return error.message
    throw error
  }
  await announceBlob(trx, { checksum, sizeBytes, at })
  const releaseId = await insertRelease(trx, packageId, {
    ...metadata,
    config: metadata.config ?? '',
    ident,
    checksum,
    sizeBytes,
    signer: '',
    isVerified: false,
    visibility: 'public',
    publisherId: origin.ownerId,
    source,
    createdAt: at,
    updatedAt: at,
    isAnnounced: true,
  })
  await insertDependencies(trx, { releaseId, packageId, target }, metadata.tdeps)
  await context.record({ kind: 'release-announced', ident: text, target, checksum }, { originId: origin.id })
  return undefined
}
