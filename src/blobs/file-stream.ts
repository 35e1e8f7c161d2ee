import { close, read } from 'node:fs'
import { Socket } from 'node:net'
import { fileFault } from './file-fault.ts'
import { BlobStream, BlobUnreadable } from './storage.ts'

/** Large enough that the cost of a buffer is negligible compared with its bytes. */
const BUFFER_BYTES = 1024 * 1024
/**
 * The number of large buffers. Further streams get small ones, so that many parallel downloads stay within
 * memory.
 */
const MAX_LARGE_BUFFERS = 64
const SMALL_BUFFER_BYTES = 64 * 1024
/**
 * The number of unused buffers that are kept for later streams, because allocating one costs as much as
 * filling it.
 */
const MAX_SPARE_BUFFERS = 16

/** Unused large buffers. */
const spare: Buffer[] = []
/** The number of buffers that streams hold, small ones included. */
let taken = 0

/**
 * Streams the bytes `start` through `end` of a blob's open file, and closes the file. When the stream is
 * piped into a socket or a response, it uses only two buffers: it fills one while the other is written. When
 * it is piped elsewhere, it is an ordinary stream. The reader reads it to its end or destroys it. It fails
 * with {@link BlobUnreadable} if the file cannot be read.
 */
export class FileStream extends BlobStream {
  readonly #fd: number
  readonly #checksum: string
  readonly #end: number
  #at: number
  #isReading = false
  #buffers: readonly [Buffer, Buffer] | undefined

  constructor(fd: number, { checksum, start, end }: { checksum: string; start: number; end: number }) {
    super({ highWaterMark: BUFFER_BYTES })
    this.#fd = fd
    this.#checksum = checksum
    this.#at = start
    this.#end = end
  }

  /** Counts as if the buffers were small. The large ones belong to a pool of limited size. */
  override get heldBytes(): number {
    return Math.min(2 * SMALL_BUFFER_BYTES, this.#end + 1 - this.#at)
  }

  override _read(): void {
    const buffer = Buffer.allocUnsafe(Math.min(BUFFER_BYTES, this.#end + 1 - this.#at))
    this.#fill(buffer).then(
      (bytes) => this.push(bytes === 0 ? null : buffer.subarray(0, bytes)),
      (error: unknown) => this.destroy(error as Error),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#buffers !== undefined) taken -= this.#buffers.length // they may still be sent, so they are not reused
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
    const buffers = takeBuffers(this.#end + 1 - this.#at)
    this.#buffers = buffers
    let written: Promise<void> | undefined
    for (let n = 0; ; n += 1) {
      const buffer = buffers[n % 2] as Buffer
      const [bytes] = await Promise.all([this.#fill(buffer), written])
      if (bytes === 0) break
      written = write(destination, buffer.subarray(0, bytes))
    }
    // Both buffers are written, so the pool can reuse them.
    this.#buffers = undefined
    giveBuffers(buffers)
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

/** Takes two buffers for a stream of `length` bytes. */
function takeBuffers(length: number): readonly [Buffer, Buffer] {
  const isSmall = taken >= MAX_LARGE_BUFFERS || length <= 2 * SMALL_BUFFER_BYTES
  taken += 2
  if (isSmall) return [Buffer.allocUnsafeSlow(SMALL_BUFFER_BYTES), Buffer.allocUnsafeSlow(SMALL_BUFFER_BYTES)]
  return [
    spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES),
    spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES),
  ]
}

function giveBuffers(buffers: readonly Buffer[]): void {
  taken -= buffers.length
  for (const buffer of buffers)
    if (buffer.length === BUFFER_BYTES && spare.length < MAX_SPARE_BUFFERS) spare.push(buffer)
}
