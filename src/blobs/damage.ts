import type { HashThreads } from '../hart/hash-threads.ts'
import { BlobAbsent, BlobUnreadable } from './storage.ts'
import type { BlobRef, BlobStorage, Damage } from './storage.ts'

/** The damage of a blob, if it has any. */
export interface Finding {
  readonly damage: Damage | undefined
  /** The cause of `unreadable`, for example `EIO`. */
  readonly reason?: string
}

/** The damage and the version of a blob, as far as they can be found without reading the blob. */
export interface Inspection extends Finding {
  /** Changes if the blob is replaced or written. */
  readonly version: string
}

/**
 * Threads hash for accounts by turns (see {@link HashThreads}). These checks count as one more account; no
 * real one has this id.
 */
const NO_ACCOUNT = 0

/**
 * Compares the size of a blob with the size that the database has, without reading the blob. Rejects if the
 * store fails in a way that says nothing about the blob; a later attempt may succeed.
 */
export async function inspect(storage: BlobStorage, { checksum, sizeBytes }: BlobRef): Promise<Inspection> {
  try {
    const { sizeBytes: found, version } = await storage.head(checksum)
    return { damage: found === sizeBytes ? undefined : 'of another size', version }
  } catch (error) {
    const finding = findingOf(error)
    return { ...finding, version: finding.damage }
  }
}

/**
 * Reads a blob and compares its bytes with its checksum. Other threads hash the bytes. Calls `onRead` with
 * the length of each chunk, and waits for it before it reads the next chunk. Rejects like {@link inspect},
 * and with the errors of `onRead`.
 */
export async function verifyBytes(
  storage: BlobStorage,
  blob: BlobRef,
  { hashes, onRead }: { hashes: HashThreads; onRead?: (bytes: number) => Promise<void> },
): Promise<Finding> {
  const hashing = hashes.beginChunks(NO_ACCOUNT)
  try {
    for await (const chunk of await storage.open(blob)) {
      const bytes = (chunk as Buffer).length
      await hashing.take(chunk as Buffer)
      await onRead?.(bytes)
    }
    return { damage: (await hashing.finish()) === blob.checksum ? undefined : 'of other bytes' }
  } catch (error) {
    return findingOf(error)
  } finally {
    hashing.forget()
  }
}

/** Returns the damage that an error of a store implies. Throws the error if it implies none. */
export function findingOf(error: unknown): Finding & { readonly damage: Damage } {
  const damage = damageOf(error)
  if (damage === undefined) throw error
  return damage === 'unreadable' && error instanceof BlobUnreadable
    ? { damage, reason: error.reason }
    : { damage }
}

/** Returns the damage that an error of a store implies; `undefined` if the blob may be intact. */
export function damageOf(error: unknown): Damage | undefined {
  if (error instanceof BlobAbsent) return 'missing'
  return error instanceof BlobUnreadable ? error.damage : undefined
}
