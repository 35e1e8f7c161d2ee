import { close, read } from 'node:fs'
import { Socket } from 'node:net'
import { fileFault } from './file-fault.ts'
import { LARGE_BUFFER_BYTES, ReadBuffers, SMALL_BUFFER_BYTES } from './read-buffers.ts'
import type { BufferPair } from './read-buffers.ts'
import { BlobStream, BlobUnreadable } from './storage.ts'

interface FileRange {
  readonly checksum: string
  /** The first byte, and the last one. */
  readonly start: number
  readonly end: number
  readonly pool?: ReadBuffers
}

/** The buffers of all downloads in this thread. */
const DOWNLOAD_BUFFERS = new ReadBuffers()

/**
 * Streams the bytes `start` through `end` of a blob's open file, and closes the file. When the stream is
 * piped into a socket or a response, it uses only two buffers: it fills one while the other is written. When
 * it is piped elsewhere, it is an ordinary stream. The caller must read it to its end or destroy it, because
 * only then the file is closed. It fails with {@link BlobUnreadable} if the file cannot be read.
 */
export class FileStream extends BlobStream {
  readonly #fd: number
  readonly #checksum: string
  readonly #end: number
  #at: number
  #isReading = false
  readonly #pool: ReadBuffers
  /** The buffers of the pool that this stream holds. */
  #buffers: BufferPair | undefined

  constructor(fd: number, { checksum, start, end, pool = DOWNLOAD_BUFFERS }: FileRange) {
    super({ highWaterMark: LARGE_BUFFER_BYTES })
    this.#fd = fd
    this.#checksum = checksum
    this.#at = start
    this.#end = end
    this.#pool = pool
  }

  /**
   * The memory that callers charge for this stream: that of small buffers, because the pool limits how many
   * large ones there are.
   */
  override get heldBytes(): number {
    return Math.min(2 * SMALL_BUFFER_BYTES, this.#end + 1 - this.#at)
  }

  override _read(): void {
    const buffer = Buffer.allocUnsafe(Math.min(LARGE_BUFFER_BYTES, this.#end + 1 - this.#at))
    this.#fill(buffer).then(
      (bytes) => this.push(bytes === 0 ? null : buffer.subarray(0, bytes)),
      (error: unknown) => this.destroy(error as Error),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#buffers !== undefined) this.#pool.drop(this.#buffers)
    this.#buffers = undefined
    const end = () => close(this.#fd, (failed) => done(error ?? failed))
    if (this.#isReading) this.once(READ, end)
    else end()
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    const socket = 'socket' in destination ? destination.socket : destination
    // Other destinations may keep the buffers.
    if (!(socket instanceof Socket)) return super.pipe(destination, options)
    void this.#pump(destination, options?.end !== false).catch((error: unknown) =>
      this.destroy(error as Error),
    )
    return destination
  }

  async #pump(destination: NodeJS.WritableStream, ends: boolean): Promise<void> {
    if (this.destroyed) return // a destroyed stream would never return the buffers to the pool
    const buffers = this.#pool.take(this.#end + 1 - this.#at)
    this.#buffers = buffers
    let written: Promise<void> | undefined
    for (let n = 0; ; n += 1) {
      const buffer = buffers[n % 2] as Buffer
      const [bytes] = await Promise.all([this.#fill(buffer), written])
      if (bytes === 0) break
      written = write(destination, buffer.subarray(0, bytes))
    }
    if (this.destroyed) return // `_destroy` has dropped the buffers
    // Both buffers are written, so later streams can have them.
    this.#buffers = undefined
    this.#pool.giveBack(buffers)
    if (ends) destination.end()
    this.push(null)
    this.resume() // emits `end`
  }

  /** Reads into a buffer. Resolves with the number of bytes; 0 at the end of the range. */
  async #fill(buffer: Buffer): Promise<number> {
    const length = Math.min(buffer.length, this.#end + 1 - this.#at)
    if (length <= 0) return 0
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    if (this.destroyed) throw new Error(`the stream of blob ${this.#checksum} is closed`)
    this.#isReading = true
    read(this.#fd, buffer, 0, length, this.#at, (error, bytes) => {
      this.#isReading = false
      this.emit(READ)
      if (error !== null) reject(fileFault(this.#checksum, error))
      else if (bytes === 0) reject(this.#endsEarly())
      else resolve(bytes)
    })
    const bytes = await promise
    this.#at += bytes
    return bytes
  }

  #endsEarly(): BlobUnreadable {
    return new BlobUnreadable(this.#checksum, {
      damage: 'of another size',
      reason: `it ends before byte ${this.#end}`,
    })
  }
}

/** The event after each read, for which a destroyed stream waits before it closes the file. */
const READ = Symbol('read')

/** Resolves when the buffer is written and can be used again. */
function write(destination: NodeJS.WritableStream, buffer: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    destination.write(buffer, (error) => (error ? reject(error) : resolve()))
  })
}
