import { findAccount } from '../accounts/account-store.ts'
import type { Actor } from '../access/access.ts'
import { checkBlobs, listOrphans } from '../audit/verify-blobs.ts'
import { BlobUnreadable } from '../blobs/storage.ts'
import type { BlobRef } from '../blobs/storage.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { HartHeaderReader } from '../hart/digest.ts'
import { formatKeyName } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { ADMINISTRATOR } from '../commands/set-up.ts'
import { publish } from './publish.ts'

// The database may have been restored from an older copy. Releases that were published since the copy are
// then files without rows (orphans); the files of releases that were deleted since may be missing.

/** A blob file that no release needs. */
export interface Orphan {
  readonly checksum: string
  /** `undefined` if the blob cannot be found or looked at. */
  readonly sizeBytes: number | undefined
  /** Its ident, target and signer, or the reason why it is not a package. */
  readonly content: OrphanContent | { readonly flaw: string }
}

/** What the header and the archive of an orphan say. */
export interface OrphanContent {
  readonly ident: Ident
  readonly target: Target
  /** The name of the signing key, not verified. */
  readonly signer: string
}

/** The account id for scans by the operator. */
const NO_ACCOUNT = 0

/**
 * Lists the checksums of orphans, and of blobs that a release needs but that are missing. Both are sorted.
 */
export async function listStrays({
  db,
  blobs: { storage },
}: Depot): Promise<{ orphans: string[]; missing: string[] }> {
  const strays: { orphans: string[]; missing: string[] } = { orphans: [], missing: [] }
  for await (const { checksum } of listOrphans(db, storage))
    if (checksum !== undefined) strays.orphans.push(checksum)
  for await (const { checksum, damage } of checkBlobs(db, storage))
    if (damage === 'missing') strays.missing.push(checksum)
  strays.orphans.sort()
  return strays
}

/**
 * Describes the blob with this checksum from its header and archive, without verifying its signature. A blob
 * that is not a package or cannot be read is described by its flaw.
 */
export async function readOrphan(depot: Depot, checksum: string): Promise<Orphan> {
  let sizeBytes: number | undefined
  try {
    ;({ sizeBytes } = await depot.blobs.storage.head(checksum))
    return { checksum, sizeBytes, content: await readContent(depot, { checksum, sizeBytes }) }
  } catch (error) {
    if (error instanceof DepotError || error instanceof BlobUnreadable)
      return { checksum, sizeBytes, content: { flaw: error.message } }
    throw error
  }
}

/**
 * Publishes a blob as a private release, with all checks of an upload. Its publisher is the first
 * administrator. Throws the errors of {@link publish}; the blob stays then.
 */
export async function adoptOrphan(depot: Depot, checksum: string, actor: Actor): Promise<OrphanContent> {
  const { storage } = depot.blobs
  const { sizeBytes } = await storage.head(checksum)
  const content = await readContent(depot, { checksum, sizeBytes })
  const account = await findAccount(depot.db, ADMINISTRATOR)
  if (account === undefined) throw new DepotError('not_found', `there is no account ${ADMINISTRATOR}`)
  await publish(depot, {
    ident: content.ident,
    target: content.target,
    clientTarget: undefined,
    checksum,
    announcedBytes: sizeBytes,
    isForced: false,
    visibility: 'private',
    open: () => storage.open({ checksum, sizeBytes }),
    publisher: { accountId: account.id },
    actor,
  })
  return content
}

/** Deletes a blob that the caller knows to be an orphan, and records that its bytes were removed. */
export async function discardOrphan({ blobs, writer }: Depot, checksum: string, actor: Actor): Promise<void> {
  await blobs.storage.delete(checksum)
  await writer.submit({ kind: 'markCollected', input: { checksums: [checksum] }, actor })
}

export function describeOrphan({ content }: Orphan): string {
  return 'flaw' in content
    ? content.flaw
    : `${formatIdent(content.ident)} for ${content.target}, signed by ${content.signer}`
}

/**
 * Reads the header of a blob, and its metadata from a copy in the spool, because scans need a local file.
 * Removes the copy.
 */
async function readContent(depot: Depot, blob: BlobRef): Promise<OrphanContent> {
  const { storage, spool, room } = depot.blobs
  const start = new HartHeaderReader()
  for await (const chunk of await storage.open(blob)) {
    start.update(chunk as Buffer)
    if (start.header !== undefined) break
  }
  const { payloadOffset, signer } = start.finish()
  await room.expect({ bytes: blob.sizeBytes, what: `a copy of blob ${blob.checksum}` })
  const copy = await spool.copy(await storage.open(blob))
  try {
    const { ident, target } = await depot.scanner.scan(copy.path, payloadOffset, NO_ACCOUNT)
    return { ident, target, signer: formatKeyName(signer) }
  } finally {
    await spool.discard(copy)
  }
}
