import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { freeChunk } from '../blobs/free-chunk.ts'
import type { Blobs } from '../blobs/open.ts'
import type { SpoolFile } from '../blobs/spool.ts'
import type { Depot } from '../depot/depot.ts'
import { DepotError } from '../errors.ts'
import { Blake2b } from '../hart/blake2b.ts'
import { HartHeaderReader } from '../hart/digest.ts'
import type { HartDigests } from '../hart/digest.ts'
import type { HartHeader } from '../hart/header.ts'
import type { HashThreads, Hashing } from '../hart/hash-threads.ts'
import { expectWithinQuotas } from '../origins/quota.ts'
import type { Quota } from '../origins/quota.ts'

/**
 * The size of one write. Chunks of a socket are small, and each write is a trip to another thread and back.
 */
const BATCH_BYTES = 1024 * 1024
/**
 * The maximum number of chunks in one write. Each chunk costs a hundred bytes or more, however small it is.
 */
const BATCH_CHUNKS = 1_000
/** Data is synced after this many bytes, so that the final sync is short. */
const SYNC_BYTES = 32 * 1024 * 1024
/** The free space of the disk is checked after this many bytes. */
const ROOM_CHECK_BYTES = 4 * 1024 * 1024
/** Larger files are not returned in memory. */
export const SMALL_BYTES = 32 * 1024

export interface ReceivedHart extends HartDigests {
  /** The whole file if it is small. Then it is not in the spool. */
  readonly bytes: Buffer | undefined
}

export interface ReceiveOptions {
  /** The name of the upload, for messages. */
  readonly what: string
  /** The account of the publisher. */
  readonly accountId: number
  /** Called when the first `bytes` bytes are in the file. Not called for small files. */
  readonly onWritten?: ((bytes: number) => void) | undefined
  /** The quotas that the file must not exceed. */
  readonly quotas: readonly Quota[]
}

/**
 * Writes a stream to a file and returns its digests. Keeps a short stream in memory instead. The stream is
 * read to its end or destroyed, the file is closed, and the stream's buffers are taken over. Throws
 * `hart_malformed` as early as possible, `too_large`, `storage_full`, `quota_exceeded`, and the errors of the
 * stream, the disk and the hashes.
 */
export async function receive(
  { config, hashes, room }: Pick<Depot, 'config' | 'hashes'> & Pick<Blobs, 'room'>,
  stream: Readable,
  file: SpoolFile,
  { what, accountId, quotas, onWritten }: ReceiveOptions,
): Promise<ReceivedHart> {
  await using reception = new Reception(file, { accountId, threads: hashes, onWritten })
  let receivedBytes = 0
  let checkedBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    receivedBytes += chunk.length
    if (receivedBytes > config.maxUploadBytes)
      throw new DepotError(
        'too_large',
        `${what} is larger than the ${config.maxUploadBytes} bytes that this depot accepts`,
      )
    const taken = reception.take(chunk)
    if (taken !== undefined) await taken
    if (receivedBytes - checkedBytes < ROOM_CHECK_BYTES) continue
    checkedBytes = receivedBytes
    await room.expect({ bytes: 0, what })
    expectWithinQuotas(quotas, { bytes: receivedBytes, what })
  }
  return await reception.finish() // before it is disposed
}

/**
 * Writes a file in batches. While one batch is written, the next one is collected. Threads hash files that
 * are larger than one batch. Disposal waits for running writes.
 */
class Reception {
  readonly #file: SpoolFile
  /** Opened by the first batch that is written. A small file that is one batch needs no handle. */
  #handle: FileHandle | undefined
  readonly #beginHash: (from: number) => Hashing
  readonly #onWritten: ((bytes: number) => void) | undefined
  readonly #start = new HartHeaderReader()
  #batch: Buffer[] = []
  #batchBytes = 0
  #writtenBytes = 0
  #unsyncedBytes = 0
  #writing: Promise<void> = Promise.resolve()
  #syncing: Promise<void> | undefined
  #hashings: { file: Hashing; payload: Hashing } | undefined

  constructor(
    file: SpoolFile,
    {
      accountId,
      threads,
      onWritten,
    }: Pick<ReceiveOptions, 'accountId' | 'onWritten'> & { threads: HashThreads },
  ) {
    this.#file = file
    this.#onWritten = onWritten
    this.#beginHash = (from) => threads.begin(file.path, from, accountId)
  }

  /** Takes a chunk. If a promise is returned, the next chunk must wait for it. */
  take(chunk: Buffer): Promise<void> | undefined {
    this.#start.update(chunk)
    this.#batch.push(chunk)
    this.#batchBytes += chunk.length
    return this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_CHUNKS ? this.#flush() : undefined
  }

  /** Writes the rest, and returns the digests. A file of less than one batch is hashed in this thread. */
  async finish(): Promise<ReceivedHart> {
    if (this.#isWhole && this.#batchBytes <= SMALL_BYTES) {
      const bytes = Buffer.concat(this.#batch)
      return { ...digestOf([bytes], this.#start.finish()), bytes }
    }
    const digest = this.#isWhole ? digestOf(this.#batch, this.#start.finish()) : undefined
    await this.#flush()
    await this.#writing
    const header = this.#start.finish()
    if (digest !== undefined) return { ...digest, bytes: undefined }
    const { file, payload } = this.#hash(header.payloadOffset)
    const [checksum, payloadHash] = await Promise.all([
      file.finish(this.#writtenBytes),
      payload.finish(this.#writtenBytes),
    ])
    return { header, checksum, payloadHash, sizeBytes: this.#writtenBytes, bytes: undefined }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hashings?.file.forget()
    this.#hashings?.payload.forget()
    await Promise.allSettled([this.#writing, this.#syncing])
    await this.#handle?.close()
  }

  /** Whether the batch holds all received bytes. */
  get #isWhole(): boolean {
    return this.#batchBytes === this.#start.sizeBytes
  }

  /** Begins to write the batch, once the previous one is written. */
  async #flush(): Promise<void> {
    await this.#writing
    const batch = this.#batch
    const isWhole = this.#isWhole
    this.#batch = []
    this.#batchBytes = 0
    this.#writing = this.#write(batch, isWhole)
    this.#writing.catch(() => undefined) // reported where it is awaited
  }

  /** Writes a batch. `isWhole` says whether it has all bytes that were received until then. */
  async #write(batch: readonly Buffer[], isWhole: boolean): Promise<void> {
    const handle = (this.#handle ??= await this.#file.create())
    for (let left = batch; left.length > 0;) {
      const { bytesWritten } = await handle.writev(left)
      this.#writtenBytes += bytesWritten
      this.#unsyncedBytes += bytesWritten
      left = after(left, bytesWritten)
    }
    this.#onWritten?.(this.#writtenBytes)
    for (const chunk of batch) freeChunk(chunk)
    const { header } = this.#start
    if (header !== undefined && !(isWhole && this.#writtenBytes < BATCH_BYTES)) {
      const { file, payload } = this.#hash(header.payloadOffset)
      file.advance(this.#writtenBytes)
      payload.advance(this.#writtenBytes)
    }
    if (this.#unsyncedBytes >= SYNC_BYTES && this.#syncing === undefined) {
      this.#unsyncedBytes = 0
      this.#syncing = handle.datasync().finally(() => (this.#syncing = undefined))
      this.#syncing.catch(() => undefined) // reported by the last sync
    }
  }

  /** Returns the hashes of the file and of its payload, which other threads compute. */
  #hash(payloadOffset: number): { file: Hashing; payload: Hashing } {
    this.#hashings ??= { file: this.#beginHash(0), payload: this.#beginHash(payloadOffset) }
    return this.#hashings
  }
}

/**
 * Hashes the chunks of a whole file. One hash is finished before the next begins, because all hashes of a
 * thread share one state, and exchanging it costs more than hashing a kilobyte.
 */
function digestOf(chunks: readonly Buffer[], header: HartHeader): HartDigests {
  return {
    header,
    checksum: hashOf(chunks),
    payloadHash: hashOf(after(chunks, header.payloadOffset)),
    sizeBytes: chunks.reduce((sum, { length }) => sum + length, 0),
  }
}

function hashOf(chunks: readonly Buffer[]): string {
  const hash = new Blake2b()
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest()
}

/** Returns the rest of a batch after its first `bytes`. */
function after(chunks: readonly Buffer[], bytes: number): readonly Buffer[] {
  let skipped = bytes
  return chunks.flatMap((chunk) => {
    const skip = Math.min(skipped, chunk.length)
    skipped -= skip
    return skip === chunk.length ? [] : [chunk.subarray(skip)]
  })
}
