import type { Visibility } from '../../access/access.ts'
import { findBlob, referenceBlob, updateDamage } from '../../blobs/blob-store.ts'
import { DepotError } from '../../errors.ts'
import type { HartMetadata } from '../../hart/metadata.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { formatIdent, formatPackageName } from '../../package/ident.ts'
import type { Ident } from '../../package/ident.ts'
import { orderKey } from '../../package/version.ts'
import { expectOwnOrigin } from '../origins/adopt-origin.ts'
import { changeMembers } from '../views/promote.ts'
import { UNSTABLE } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { insertWords } from '../../search/words-store.ts'
import { insertDependencies } from '../../releases/dependents-store.ts'
import { insertRelease } from '../../releases/release-store.ts'
import { insertPackage } from '../../releases/package-store.ts'
import { findPackageRows } from '../../releases/upload-store.ts'
import { setVisibility } from './set-visibility.ts'
import { insertDefaultSettings } from './settings.ts'

/** A release to publish. Its bytes are stored already. */
export interface PublishInput {
  readonly ident: Ident
  readonly metadata: Omit<HartMetadata, 'ident' | 'deps' | 'tdeps' | 'buildDeps' | 'buildTdeps'> & {
    readonly deps: readonly string[]
    readonly tdeps: readonly string[]
    readonly buildDeps: readonly string[]
    readonly buildTdeps: readonly string[]
  }
  readonly checksum: string
  readonly sizeBytes: number
  /** The name of the key that signed the package. */
  readonly signer: string
  /** Whether the signature was verified. */
  readonly isVerified: boolean
  readonly publisherId: number
  /**
   * Accepts an ident that is already published with the same bytes, and sets its visibility to that of the
   * package's settings again.
   */
  readonly isForced: boolean
  /** The visibility of a new release. Overrides the package's settings and the origin's default. */
  readonly visibility?: Visibility
  /** The URL of the upstream depot from which it was fetched. Upstream origins accept no other releases. */
  readonly source?: string
}

/**
 * Publishes verified, durable bytes as a release and adds it to `unstable`. An existing release stays in its
 * views. If its bytes were damaged, the submitter has replaced them, and this clears the damage. Returns
 * `isNew: false` for an existing release with the same bytes, if the upload is forced or repairs them. Throws
 * `not_found` for the origin, `origin_from_upstream`, `already_exists`, `release_differs` and
 * `package_type_mismatch`.
 */
export async function publishRelease(
  context: CommandContext,
  input: PublishInput,
): Promise<{ isNew: boolean }> {
  const { trx } = context
  const { ident, metadata, publisherId } = input
  const { target, packageType } = metadata
  const origin = await getOrigin(trx, ident.origin)
  if (input.source === undefined) expectOwnOrigin(origin, formatIdent(ident))
  const found = await findPackageRows(trx, {
    originId: origin.id,
    name: ident.name,
    ident: formatIdent(ident),
    target,
  })
  const packageId = found?.id ?? (await insertPackage(trx, origin.id, ident.name))
  const defaultVisibility = async () =>
    found?.visibility ??
    (await insertDefaultSettings(context, origin, { packageId, name: ident.name, ownerId: publisherId }))
      .visibility

  if (found?.published !== undefined) {
    await acceptAgain(context, input, { checksum: found.published.checksum, defaultVisibility })
    return { isNew: false }
  }
  if (found?.type !== undefined && found.type !== packageType)
    throw new DepotError(
      'package_type_mismatch',
      `${formatIdent(ident)} is a ${packageType} package, but the earlier releases of ${formatPackageName(ident)} are ${found.type}`,
    )
  // The first release makes a package findable.
  if (found?.type === undefined) await insertWords(trx, packageId, ident)
  // The settings row is created even if the upload names the visibility.
  const settingsVisibility = await defaultVisibility()
  const visibility = input.visibility ?? settingsVisibility
  const releaseId = await insertNewRelease(context, input, { packageId, originId: origin.id, visibility })
  const release = {
    releaseId,
    packageId,
    originId: origin.id,
    ident,
    target,
    orderKey: orderKey(ident),
    yanked: undefined,
    deprecated: undefined,
  }
  await changeMembers(
    context,
    await getView(trx, UNSTABLE),
    { joining: [{ release }], leaving: [] },
    // The right to upload includes joining `unstable`.
    { act: 'promote', cause: 'upload', by: 'operator' },
  )
  return { isNew: true }
}

/**
 * Handles an upload of a release that is already published, with the bytes of `existing.checksum`. Throws
 * `already_exists` and `release_differs`.
 */
async function acceptAgain(
  context: CommandContext,
  { ident, metadata: { target }, checksum, isForced }: PublishInput,
  existing: { checksum: string; defaultVisibility: () => Promise<Visibility> },
): Promise<void> {
  const { trx } = context
  const text = formatIdent(ident)
  const isSame = existing.checksum === checksum
  const isRepair = isSame && (await findBlob(trx, checksum))?.damage !== undefined
  if (isRepair) await updateDamage(trx, checksum, undefined)
  if (!isForced) {
    if (isRepair) return
    throw new DepotError('already_exists', `${text} is already published for ${target}`)
  }
  if (!isSame)
    throw new DepotError(
      'release_differs',
      `${text} is already published for ${target} with other bytes: a release never changes`,
    )
  await setVisibility(context, { ident: text, target, visibility: await existing.defaultVisibility() })
}

/** Writes the rows and the ledger entry of a new release, and returns its id. */
async function insertNewRelease(
  context: CommandContext,
  input: PublishInput,
  { packageId, originId, visibility }: { packageId: number; originId: number; visibility: Visibility },
): Promise<number> {
  const { trx, at } = context
  const { ident, metadata, checksum, sizeBytes, signer, isVerified, publisherId } = input
  const { target } = metadata
  await referenceBlob(trx, { checksum, sizeBytes, at })
  const releaseId = await insertRelease(trx, packageId, {
    ...metadata,
    config: metadata.config ?? '',
    ident,
    checksum,
    sizeBytes,
    signer,
    isVerified,
    visibility,
    publisherId,
    source: input.source,
    createdAt: at,
    updatedAt: at,
  })
  await insertDependencies(trx, { releaseId, packageId, target }, metadata.tdeps)
  await context.record(
    {
      kind: 'release-published',
      ident: formatIdent(ident),
      target,
      checksum,
      sizeBytes,
      signer,
      isVerified,
      visibility,
      ...(input.source !== undefined && { source: input.source }),
    },
    { originId },
  )
  return releaseId
}
