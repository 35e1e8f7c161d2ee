import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { formatIdent } from '../../package/ident.ts'
import type { ReleaseName } from '../../package/ident.ts'
import { findQuarantined } from '../../retention/quarantine-store.ts'
import { markRelease } from '../releases/marks.ts'
import { publishRelease } from '../releases/publish-release.ts'

/**
 * Publishes a release again from its bytes in quarantine, with its visibility and its marks. It joins
 * `unstable` and no other view. The caller has checked that the bytes exist. Throws `not_found` if the
 * release is not in quarantine, and like {@link publishRelease}.
 */
export async function returnRelease(context: CommandContext, name: ReleaseName): Promise<void> {
  const release = await findQuarantined(context.trx, name, context.clock.now)
  if (release === undefined)
    throw new DepotError('not_found', `${name.ident} for ${name.target} is not in quarantine`)
  const { ident, checksum, sizeBytes, signer, isVerified, publisherId, visibility } = release
  await publishRelease(context, {
    ident,
    metadata: release,
    checksum,
    sizeBytes,
    signer,
    isVerified,
    publisherId,
    isForced: false,
    visibility,
    cause: 'returned',
    ...(release.source !== undefined && { source: release.source }),
  })
  for (const mark of ['yanked', 'deprecated'] as const) {
    const { reason } = release[mark] ?? {}
    if (reason !== undefined)
      await markRelease(context, { ident: formatIdent(ident), target: name.target, mark, reason })
  }
}
