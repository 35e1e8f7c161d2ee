import type { Visibility } from '../../access/access.ts'
import { findBlob, referenceBlob, updateDamage } from '../../blobs/blob-store.ts'
import { DepotError } from '../../errors.ts'
import type { HartMetadata } from '../../hart/metadata.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { formatIdent, formatPackageName } from '../../package/ident.ts'
import type { Ident } from '../../package/ident.ts'
import { orderKey } from '../../package/version.ts'
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
import { addSettings } from './settings.ts'

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
  readonly signer: string
  readonly isVerified: boolean
  readonly publisherId: number
  /**
   * Accepts an ident that is already published with the same bytes, and sets its visibility to that of the
   * package's settings again.
   */
  readonly isForced: boolean
  /** The visibility of a new release. Overrides the package's settings and the origin's default. */
  readonly visibility?: Visibility
}

/**
 * Publishes verified, durable bytes as a release and adds it to `unstable`. An existing release stays in its
 * views. If its bytes were damaged, the caller has replaced them, and this clears the damage. Returns `isNew:
 * false` for an existing release with the same bytes, if the upload is forced or repairs them. Throws
 * `not_found` for the origin, `already_exists`, `release_differs` and `package_type_mismatch`.
 */
export async function publishRelease(
  context: CommandContext,
  input: PublishInput,
): Promise<{ isNew: boolean }> {
  const { trx, at } = context
  const { ident, metadata, checksum, sizeBytes, signer, isVerified, publisherId } = input
  const text = formatIdent(ident)
  const { target, packageType } = metadata
  const origin = await getOrigin(trx, ident.origin)

  const found = await findPackageRows(trx, { originId: origin.id, name: ident.name, ident: text, target })
  const packageId = found?.id ?? (await insertPackage(trx, origin.id, ident.name))
  const getOrCreateDefaultVisibility = async () =>
    found?.visibility ??
    (await addSettings(context, origin, { packageId, name: ident.name, ownerId: publisherId })).visibility
  const existing = found?.published
  if (existing !== undefined) {
    const isRepair = existing.checksum === checksum && (await findBlob(trx, checksum))?.damage !== undefined
    if (isRepair) await updateDamage(trx, checksum, undefined)
    if (isRepair && !input.isForced) return { isNew: false }
    if (!input.isForced) throw new DepotError('already_exists', `${text} is already published for ${target}`)
    if (existing.checksum === checksum) {
      await setVisibility(context, { ident: text, target, visibility: await getOrCreateDefaultVisibility() })
      return { isNew: false }
    }
    throw new DepotError(
      'release_differs',
      `${text} is already published for ${target} with other bytes: a release never changes`,
    )
  }

  const type = found?.type ?? packageType
  if (type !== packageType) {
    throw new DepotError(
      'package_type_mismatch',
      `${text} is a ${packageType} package, but the earlier releases of ${formatPackageName(ident)} are ${type}`,
    )
  }
  const defaultVisibility = await getOrCreateDefaultVisibility()
  const visibility = input.visibility ?? defaultVisibility
  if (found?.type === undefined) await insertWords(trx, packageId, ident) // only the first release makes the package findable
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
    createdAt: at,
    updatedAt: at,
  })
  await insertDependencies(trx, { releaseId, packageId, target }, metadata.tdeps)
  await context.record(
    {
      kind: 'release-published',
      ident: text,
      target,
      checksum,
      sizeBytes,
      signer,
      isVerified,
      visibility,
    },
    { originId: origin.id },
  )
  const release = { releaseId, packageId, originId: origin.id, ident, target, orderKey: orderKey(ident) }
  await changeMembers(
    context,
    await getView(trx, UNSTABLE),
    { joining: [{ release }], leaving: [] },
    // The right to upload includes joining `unstable`.
    { act: 'promote', cause: 'upload', by: 'operator' },
  )
  return { isNew: true }
}
