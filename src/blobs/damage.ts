import type { HashThreads } from '../hart/hash-threads.ts'
import { BlobAbsent, BlobUnreadable } from './storage.ts'
import type { BlobName, BlobStorage, Damage } from './storage.ts'

/** What is wrong with a blob, or nothing. */
export interface Finding {
  readonly damage: Damage | undefined
  /** The cause of `unreadable`, for example `EIO`. */
  readonly reason?: string
}

/** What is known about a blob without reading it. */
export interface Look extends Finding {
  /** Changes if the blob is replaced or written. */
  readonly version: string
}

const NO_ACCOUNT = 0

/** Compares the size of a blob with its row, without reading it. Rejects with faults that are not the blob's and may pass. */
export async function look(storage: BlobStorage, { checksum, sizeBytes }: BlobName): Promise<Look> {
  try {
    const { sizeBytes: found, version } = await storage.head(checksum)
    return { damage: found === sizeBytes ? undefined : 'of another size', version }
  } catch (error) {
    const finding = findingOf(error)
    return { ...finding, version: finding.damage }
  }
}

/**
 * Reads a blob and compares its bytes with its checksum. Threads hash. After each piece, `read` is called with its length, and the next
 * one is read when it resolves. Rejects with faults that are not the blob's and may pass, and with what `read` rejects with.
 */
export async function readWhole(
  storage: BlobStorage,
  blob: BlobName,
  { hashes, read }: { hashes: HashThreads; read?: (bytes: number) => Promise<void> },
): Promise<Finding> {
  const hashing = hashes.beginPieces(NO_ACCOUNT)
  try {
    for await (const piece of await storage.open(blob)) {
      const bytes = (piece as Buffer).length
      await hashing.take(piece as Buffer)
      await read?.(bytes)
    }
    return { damage: (await hashing.finish()) === blob.checksum ? undefined : 'of other bytes' }
  } catch (error) {
    return findingOf(error)
  } finally {
    hashing.forget()
  }
}

/** Translates an error to damage. Throws the error if it does not imply any. */
export function findingOf(error: unknown): Finding & { readonly damage: Damage } {
  const damage = damageOf(error)
  if (damage === undefined) throw error
  return damage === 'unreadable' && error instanceof BlobUnreadable
    ? { damage, reason: error.reason }
    : { damage }
}

/** The damage that an error implies; `undefined` if it does not concern the blob. */
export function damageOf(error: unknown): Damage | undefined {
  if (error instanceof BlobAbsent) return 'missing'
  return error instanceof BlobUnreadable ? error.damage : undefined
}
