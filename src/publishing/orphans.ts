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

// After a database was put back to an older copy, files may be there that it knows nothing of: those of releases that were published
// since. And files may be gone that it still needs: those of releases that were deleted since.

/** A file among the blobs that no release needs. */
export interface Orphan {
  readonly checksum: string
  readonly sizeBytes: number
  /** What it says of itself, or why it is no package. */
  readonly content: OrphanContent | { readonly flaw: string }
}

export interface OrphanContent {
  readonly ident: Ident
  readonly target: Target
  /** The name of the key that it says it is signed with. */
  readonly signer: string
}

const PREFIXES = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))
const CHECKSUM = /^[0-9a-f]{64}$/
/** No account's: a scan of the operator's. */
const NO_ACCOUNT = 0

/** Files that no release needs, and checksums of bytes that releases need and that are not there; each by checksum. */
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

/** Reads what a file says of itself, as an upload is read; its signature is not looked at. */
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
 * Publishes a file as a private release, by the checks of any upload. The administrator is its publisher. Throws as {@link publish};
 * the file stays then.
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

/** A row may tell of the file, as of one that nothing needs. */
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
