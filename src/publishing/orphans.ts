import { createReadStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { findAccount } from '../accounts/account-store.ts'
import type { Actor } from '../access/access.ts'
import { blobPath } from '../blobs/claims.ts'
import type { Depot } from '../depot/open.ts'
import { DepotError } from '../errors.ts'
import { HartStart } from '../hart/digest.ts'
import { formatKeyName } from '../hart/origin-key.ts'
import { formatIdent } from '../package/ident.ts'
import type { Ident } from '../package/ident.ts'
import type { Target } from '../package/target.ts'
import { ADMINISTRATOR } from '../commands/set-up.ts'
import { publish } from './publish.ts'
import { listNeededChecksums } from '../releases/release-store.ts'

// After the database was restored from an older copy, it does not know the files of releases that were published since, and may
// miss the files of releases that were deleted since.

/** A blob file that no release needs. */
export interface Orphan {
  readonly checksum: string
  readonly sizeBytes: number
  /** Its ident, target and signer, or the reason why it is not a package. */
  readonly content: OrphanContent | { readonly flaw: string }
}

export interface OrphanContent {
  readonly ident: Ident
  readonly target: Target
  /** The name of the signing key, not verified. */
  readonly signer: string
}

const PREFIXES = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))
const CHECKSUM = /^[0-9a-f]{64}$/
/** The account id for scans of the operator. */
const NO_ACCOUNT = 0

/** Files that no release needs, and needed checksums without a file, both sorted. */
export async function findStrays({ config, db }: Depot): Promise<{ orphans: string[]; missing: string[] }> {
  const strays: { orphans: string[]; missing: string[] } = { orphans: [], missing: [] }
  for (const [index, prefix] of PREFIXES.entries()) {
    const needed = new Set(await listNeededChecksums(db, { from: prefix, before: PREFIXES[index + 1] }))
    const files = new Set(
      (await namesIn(join(config.blobFolder, prefix))).filter(
        (name) => CHECKSUM.test(name) && name.startsWith(prefix),
      ),
    )
    strays.orphans.push(...[...files].filter((checksum) => !needed.has(checksum)).toSorted())
    strays.missing.push(...[...needed].filter((checksum) => !files.has(checksum)).toSorted())
  }
  return strays
}

/** Reads a file like an upload, without verifying its signature. */
export async function readOrphan(depot: Depot, checksum: string): Promise<Orphan> {
  const path = blobPath(depot.config.blobFolder, checksum)
  const { size: sizeBytes } = await stat(path)
  try {
    return { checksum, sizeBytes, content: await readContent(depot, path) }
  } catch (error) {
    if (error instanceof DepotError) return { checksum, sizeBytes, content: { flaw: error.message } }
    throw error
  }
}

/**
 * Publishes a file as a private release, with all checks of an upload. The administrator is its publisher. Throws like {@link publish},
 * and then keeps the file.
 */
export async function adoptOrphan(depot: Depot, checksum: string, actor: Actor): Promise<OrphanContent> {
  const path = blobPath(depot.config.blobFolder, checksum)
  const content = await readContent(depot, path)
  const account = await findAccount(depot.db, ADMINISTRATOR)
  if (account === undefined) throw new DepotError('not_found', `there is no account ${ADMINISTRATOR}`)
  await publish(depot, {
    ident: content.ident,
    target: content.target,
    ownTarget: undefined,
    checksum,
    announcedBytes: (await stat(path)).size,
    isForced: false,
    visibility: 'private',
    open: async () => createReadStream(path),
    publisher: { accountId: account.id },
    actor,
  })
  return content
}

/** Deletes an orphan, and records that its bytes were removed. */
export async function discardOrphan(
  { config, writer }: Depot,
  checksum: string,
  actor: Actor,
): Promise<void> {
  await rm(blobPath(config.blobFolder, checksum), { force: true })
  await writer.submit({ kind: 'noteCollected', input: { checksums: [checksum] }, actor })
}

export function describeOrphan({ content }: Orphan): string {
  return 'flaw' in content
    ? content.flaw
    : `${formatIdent(content.ident)} for ${content.target}, signed by ${content.signer}`
}

async function readContent(depot: Depot, path: string): Promise<OrphanContent> {
  const start = new HartStart()
  for await (const chunk of createReadStream(path)) {
    start.update(chunk as Buffer)
    if (start.header !== undefined) break
  }
  const { payloadOffset, signer } = start.finish()
  const { ident, target } = await depot.scanner.scan(path, payloadOffset, NO_ACCOUNT)
  return { ident, target, signer: formatKeyName(signer) }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  })
}
