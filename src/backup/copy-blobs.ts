import { inspect } from '../blobs/damage.ts'
import type { Finding } from '../blobs/damage.ts'
import type { SpoolFile } from '../blobs/spool.ts'
import type { BlobRef } from '../blobs/storage.ts'
import { each } from '../remote/each.ts'
import { copyBlob, writeToSpool } from './copy-blob.ts'
import type { BlobSource, BlobTarget, CopyOptions } from './copy-blob.ts'

export interface CopiesOptions<Blob extends BlobRef> extends CopyOptions {
  /** Called for each blob, once its copy outlives a crash, or with the damage that prevents a copy. */
  readonly onCopied: (blob: Blob, copied: Finding & { readonly wasPresent: boolean }) => Promise<void>
  /** Ends the copying between two blobs. */
  readonly signal?: AbortSignal | undefined
}

/** A copy in the spool that is not stored yet. */
interface Waiting<Blob> {
  readonly blob: Blob
  readonly file: SpoolFile
}

/** The number of blobs that are read and written at the same time. */
const PARALLEL = 32
// The limits of a batch. The copies of a batch become durable together. A crash loses at most two batches.
const BATCH_BLOBS = 2_000
const BATCH_BYTES = 256 * 1024 * 1024
const BATCH_MS = 1_000

/**
 * Copies the blobs that the target lacks, in no order. Waiting for the disk takes most of the time of a small
 * blob, so copies are made durable many at a time: one batch is stored while the next one is written. Rejects
 * with the errors of the target, and with those of `onCopied`; what was copied until then is stored.
 */
export async function copyBlobs<Blob extends BlobRef>(
  blobs: AsyncIterable<Blob>,
  from: BlobSource,
  to: BlobTarget,
  { onCopied, signal, ...options }: CopiesOptions<Blob>,
): Promise<void> {
  /** The copies that are not stored, also those of a batch whose storing failed. */
  const spooled = new Set<SpoolFile>()
  let waiting: Waiting<Blob>[] = []
  let waitingBytes = 0
  let begunAt = performance.now()
  /** The storing of the last full batch. */
  let storing = Promise.resolve()
  /** The storing of the batch before that one. Until it ends, no further blobs are written. */
  let before = storing
  const store = async (batch: readonly Waiting<Blob>[]) => {
    await to.storage.putAll?.(
      batch.map(({ file, blob }) => ({ spoolPath: file.path, checksum: blob.checksum })),
    )
    for (const { file } of batch) spooled.delete(file)
    for (const { blob } of batch) await onCopied(blob, { damage: undefined, wasPresent: false })
  }
  const storeWaiting = (): Promise<void> => {
    const batch = waiting
    waiting = []
    waitingBytes = 0
    begunAt = performance.now()
    before = storing
    storing = before.then(() => store(batch))
    return storing
  }
  const storeRest = async () => {
    try {
      await storeWaiting()
    } finally {
      for (const file of spooled) await to.spool.discard(file)
    }
  }
  try {
    await each(blobs, PARALLEL, async (blob) => {
      await before
      signal?.throwIfAborted()
      if ((await inspect(to.storage, blob)).damage === undefined)
        return onCopied(blob, { damage: undefined, wasPresent: true })
      if (to.storage.putAll === undefined)
        return onCopied(blob, { ...(await copyBlob(blob, from, to, options)), wasPresent: false })
      const written = await writeToSpool(blob, from, to, options)
      if (!('file' in written)) return onCopied(blob, { ...written, wasPresent: false })
      spooled.add(written.file)
      waiting.push({ blob, file: written.file })
      waitingBytes += blob.sizeBytes
      const isFull =
        waiting.length >= BATCH_BLOBS ||
        waitingBytes >= BATCH_BYTES ||
        performance.now() - begunAt >= BATCH_MS
      if (isFull) await storeWaiting()
    })
  } catch (error) {
    await storeRest().catch(() => undefined) // the first error is thrown
    throw error
  }
  await storeRest()
}
