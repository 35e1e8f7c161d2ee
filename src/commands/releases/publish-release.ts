import type { Visibility } from '../../access/access.ts'
import { findBlob, updateDamage } from '../../blobs/blob-store.ts'
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
import { referenceBlob } from '../../blobs/blob-store.ts'
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
  /** Whether an ident that is already published with the same bytes is accepted. */
  readonly isForced: boolean
  /** Overrides the package's settings and the origin's default. */
  readonly visibility?: Visibility
}

/**
 * Publishes verified, durable bytes as a release and adds it to `unstable`. A release that exists keeps its
 * views, and the new bytes repair its damaged ones. Throws `not_found` for the origin, `already_exists`,
 * `release_differs` and `package_type_mismatch`.
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
  const usualVisibility = async () =>
    found?.visibility ??
    (await addSettings(context, origin, { packageId, name: ident.name, ownerId: publisherId })).visibility
  const before = found?.published
  if (before !== undefined) {
    const isRepair = before.checksum === checksum && (await findBlob(trx, checksum))?.damage !== undefined
    if (isRepair) await updateDamage(trx, checksum, undefined)
    if (isRepair && !input.isForced) return { isNew: false }
    if (!input.isForced) throw new DepotError('already_exists', `${text} is already published for ${target}`)
    if (before.checksum === checksum) {
      await setVisibility(context, { ident: text, target, visibility: await usualVisibility() })
      return { isNew: false }
    }
    throw new DepotError(
      'release_differs',
      `${text} is already published for ${target} with other bytes: a release never changes`,
    )
  }

  const { type = packageType } = found ?? {}
  if (type !== packageType) {
    throw new DepotError(
      'package_type_mismatch',
      `${text} is a ${packageType} package, but the earlier releases of ${formatPackageName(ident)} are ${type}`,
    )
  }
  const usual = await usualVisibility()
  const visibility = input.visibility ?? usual
  if (found?.type === undefined) await insertWords(trx, packageId, ident) // a package with releases has its words
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
    { act: 'promote', cause: 'upload', by: 'operator' },
  )
  return { isNew: true }
}
