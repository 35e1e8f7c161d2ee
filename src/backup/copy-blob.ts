import { findingOf } from '../blobs/damage.ts'
import type { Finding } from '../blobs/damage.ts'
import { freeChunk } from '../blobs/free-chunk.ts'
import type { Blobs } from '../blobs/open.ts'
import type { SpoolFile } from '../blobs/spool.ts'
import type { BlobRef, BlobStorage, Damage } from '../blobs/storage.ts'
import { giveToOwner } from '../database/make-folder.ts'
import { Blake2b } from '../hart/blake2b.ts'
import type { HashThreads } from '../hart/hash-threads.ts'

/**
 * Hash threads serve accounts in turn. Copies count as an account of their own, with an id that no account
 * has.
 */
const NO_ACCOUNT = 0
/** Fewer bytes are hashed in this thread, because another one would cost more than it saves. */
const SMALL_BYTES = 128 * 1024

/** The store that a blob is copied from. */
export type BlobSource = Pick<BlobStorage, 'open' | 'readNow'>
/** The store that a blob is copied to. */
export type BlobTarget = Pick<Blobs, 'storage' | 'spool'>

export interface CopyOptions {
  readonly hashes: HashThreads
  /** Resolves when `bytes` further bytes may be copied. */
  readonly pace?: (bytes: number) => Promise<void>
}

/** A copy in the spool, or why there is none. */
type Written = { readonly file: SpoolFile } | (Finding & { readonly damage: Damage })

/**
 * Copies a blob to another store, and checks that the written file has its checksum. When this resolves
 * without damage, the copy outlives a crash. Resolves with the damage of a blob that cannot be read or has
 * other bytes, and then stores nothing. Rejects with the errors of the target, for example ENOSPC.
 */
export async function copyBlob(
  blob: BlobRef,
  from: BlobSource,
  to: BlobTarget,
  options: CopyOptions,
): Promise<Finding> {
  const written = await writeToSpool(blob, from, to, options)
  if (!('file' in written)) return written
  try {
    await to.storage.put(written.file.path, blob.checksum)
    return { damage: undefined }
  } finally {
    await to.spool.discard(written.file)
  }
}

/** Writes a blob to a file of the spool, and checks the checksum. The caller discards the file. */
export async function writeToSpool(
  blob: BlobRef,
  from: BlobSource,
  { spool }: Pick<BlobTarget, 'spool'>,
  options: CopyOptions,
): Promise<Written> {
  const file = spool.newFile()
  try {
    const isSmall = blob.sizeBytes <= SMALL_BYTES && from.readNow !== undefined
    const checksum = await (isSmall ? writeSmall : writeLarge)(blob, from, file, options)
    if (checksum === blob.checksum) {
      giveToOwner(file.path)
      return { file }
    }
    await spool.discard(file)
    return { damage: 'of other bytes' }
  } catch (error) {
    await spool.discard(file)
    return findingOf(error) // rethrows errors that are not about the blob
  }
}

/**
 * Reads, hashes and writes in the calling thread, which costs a small blob a fraction of what streams cost.
 * Returns the BLAKE2b-256 of the bytes.
 */
async function writeSmall(
  blob: BlobRef,
  from: BlobSource,
  file: SpoolFile,
  { pace }: CopyOptions,
): Promise<string> {
  const bytes = from.readNow?.(blob) ?? Buffer.alloc(0)
  file.createNow(bytes)
  await pace?.(bytes.length)
  return new Blake2b().update(bytes).digest()
}

/**
 * Writes the bytes of a blob to a file. Returns their BLAKE2b-256. For a large blob, another thread computes
 * it from the file while it is written.
 */
async function writeLarge(
  blob: BlobRef,
  from: BlobSource,
  file: SpoolFile,
  { hashes, pace }: CopyOptions,
): Promise<string> {
  const stream = await from.open(blob)
  await using handle = await file.create()
  const small = blob.sizeBytes <= SMALL_BYTES ? new Blake2b() : undefined
  const large = small === undefined ? hashes.begin(file.path, 0, NO_ACCOUNT) : undefined
  let written = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      small?.update(chunk)
      for (const end = written + chunk.length; written < end;)
        written += (await handle.write(chunk, chunk.length - (end - written))).bytesWritten
      if (written < blob.sizeBytes) large?.advance(written)
      await pace?.(chunk.length)
      freeChunk(chunk)
    }
    return small?.digest() ?? (await large?.finish(written)) ?? ''
  } finally {
    large?.forget()
  }
}
