import type { Visibility } from '../../access/access.ts'
import { findBlob, referenceBlob, updateDamage } from '../../blobs/blob-store.ts'
import { DepotError } from '../../errors.ts'
import type { HartMetadata } from '../../hart/metadata.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { formatIdent } from '../../package/ident.ts'
import type { Ident } from '../../package/ident.ts'
import { orderKey } from '../../package/version.ts'
import { expectOwnOrigin, expectUpstreamOrigin } from '../origins/adopt-origin.ts'
import { useQuota } from '../origins/use-quota.ts'
import { deleteDependencies, insertDependencies } from '../../releases/dependents-store.ts'
import { insertRelease, storeContent } from '../../releases/new-release-store.ts'
import { findPackageRows } from '../../releases/upload-store.ts'
import { findViewRelease } from '../../revisions/member-store.ts'
import { getView } from '../../revisions/view-store.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { ViewRelease } from '../../views/view.ts'
import { changeMembers } from '../views/promote.ts'
import { preparePackage } from './prepare-package.ts'
import { setVisibility } from './set-visibility.ts'
import { insertDefaultSettings } from './settings.ts'

/** The metadata of a release, with dependencies as texts. */
export type ReleaseMetadata = Omit<HartMetadata, 'ident' | 'deps' | 'tdeps' | 'buildDeps' | 'buildTdeps'> & {
  readonly deps: readonly string[]
  readonly tdeps: readonly string[]
  readonly buildDeps: readonly string[]
  readonly buildTdeps: readonly string[]
}

/** A release to publish. Its bytes are stored already. */
export interface PublishInput {
  readonly ident: Ident
  readonly metadata: ReleaseMetadata
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
  /** Set if the bytes come from the quarantine of retention. */
  readonly cause?: 'returned'
}

/**
 * Publishes verified, durable bytes as a release and adds it to `unstable`. A release that upstream has
 * announced stays in its views, and what its bytes say replaces what upstream said. An upload of a published
 * release is accepted only with the same bytes, and only if it is forced or replaces damaged bytes; this then
 * clears the damage and returns `isNew: false`. Also returns the warnings of {@link useQuota}. Throws
 * `not_found` for the origin, `origin_from_upstream`, `refused` for a release from upstream if the origin no
 * longer comes from there, `already_exists`, `release_differs`, `package_type_mismatch` and `quota_exceeded`.
 */
export async function publishRelease(
  context: CommandContext,
  input: PublishInput,
): Promise<{ isNew: boolean; warnings: string[] }> {
  const { trx } = context
  const { ident, metadata, sizeBytes, publisherId } = input
  const { target, packageType } = metadata
  const origin = await getOrigin(trx, ident.origin)
  if (input.source === undefined) expectOwnOrigin(origin, formatIdent(ident))
  else if (input.cause !== 'returned') expectUpstreamOrigin(origin) // it may have been disowned meanwhile
  const found = await findPackageRows(trx, {
    originId: origin.id,
    name: ident.name,
    ident: formatIdent(ident),
    target,
  })
  if (found?.published?.isAnnounced === true) {
    const warnings = await useQuota(context, { origin, sizeBytes, what: formatIdent(ident) })
    await storeBytes(context, input, { originId: origin.id, checksum: found.published.checksum })
    return { isNew: true, warnings }
  }
  if (found?.published !== undefined) {
    await acceptAgain(context, input, {
      checksum: found.published.checksum,
      defaultVisibility: async () => {
        const named = { packageId: found.id, name: ident.name, ownerId: publisherId }
        return found.visibility ?? (await insertDefaultSettings(context, origin, named)).visibility
      },
    })
    return { isNew: false, warnings: [] }
  }
  const warnings = await useQuota(context, { origin, sizeBytes, what: formatIdent(ident) })
  const { packageId, visibility: defaultVisibility } = await preparePackage(context, origin, found, {
    ident,
    packageType,
    ownerId: publisherId,
  })
  const visibility = input.visibility ?? defaultVisibility
  const releaseId = await insertNewRelease(context, input, { packageId, originId: origin.id, visibility })
  await joinUnstable(context, {
    releaseId,
    packageId,
    originId: origin.id,
    ident,
    target,
    orderKey: orderKey(ident),
    yanked: undefined,
    deprecated: undefined,
  })
  return { isNew: true, warnings }
}

async function joinUnstable(context: CommandContext, release: ViewRelease): Promise<void> {
  await changeMembers(
    context,
    await getView(context.trx, UNSTABLE),
    { joining: [{ release }], leaving: [] },
    // The right to upload includes joining `unstable`.
    { act: 'promote', cause: 'upload', by: 'operator' },
  )
}

/**
 * Replaces what upstream said of an announced release by what its bytes say, and adds the release to
 * `unstable`. It stays in its views. Throws `release_differs` unless the bytes have the announced checksum.
 */
async function storeBytes(
  context: CommandContext,
  input: PublishInput,
  { originId, checksum: announced }: { originId: number; checksum: string },
): Promise<void> {
  const { trx, at } = context
  const { ident, metadata, checksum, sizeBytes } = input
  const { target, tdeps } = metadata
  const release = await findViewRelease(trx, ident, target)
  if (release === undefined) throw new Error('an announced release has a row')
  if (checksum !== announced)
    throw new DepotError(
      'release_differs',
      `upstream announced ${formatIdent(ident)} for ${target} with the checksum ${announced}, but the bytes have ${checksum}`,
    )
  await referenceBlob(trx, { checksum, sizeBytes, at })
  await deleteDependencies(trx, release)
  const content = {
    ...metadata,
    ...input,
    config: metadata.config ?? '',
    source: input.source,
    updatedAt: at,
  }
  const visibility = await storeContent(trx, release.releaseId, content)
  await insertDependencies(trx, release, tdeps)
  await recordPublished(context, input, { originId, visibility })
  await joinUnstable(context, release)
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
    isAnnounced: false,
  })
  await insertDependencies(trx, { releaseId, packageId, target }, metadata.tdeps)
  await recordPublished(context, input, { originId, visibility })
  return releaseId
}

async function recordPublished(
  context: CommandContext,
  { ident, metadata: { target }, checksum, sizeBytes, signer, isVerified, source, cause }: PublishInput,
  { originId, visibility }: { originId: number; visibility: Visibility },
): Promise<void> {
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
      ...(source !== undefined && { source }),
      ...(cause !== undefined && { cause }),
    },
    { originId },
  )
}
