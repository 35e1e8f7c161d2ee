import { close, open, read } from 'node:fs'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { endsBefore } from './damage.ts'

/** Large enough that the cost of a piece is negligible compared with its bytes. */
const PIECE_BYTES = 1024 * 1024
/** Large pieces in use before further streams get small ones, so that many parallel downloads stay within memory. */
const MOST_PIECES = 64
const SMALL_PIECE_BYTES = 64 * 1024
/** Unused pieces kept for later streams: allocating one costs as much as filling it. */
const MOST_SPARE = 16

const spare: Buffer[] = []
let taken = 0

/**
 * Streams a part of a file. Piped into a socket or a response, it reuses two buffers: it fills one while the other is
 * written. Piped elsewhere it is an ordinary stream. The reader closes it.
 */
export class FileStream extends Readable {
  readonly #path: string
  readonly #end: number
  #at: number
  #fd: number | undefined
  #isReading = false
  #pieces: readonly [Buffer, Buffer] | undefined
  readonly #opened = Promise.withResolvers<void>()

  /** Streams the bytes `start` through `end`. */
  constructor(path: string, { start, end }: { start: number; end: number }) {
    super({ highWaterMark: PIECE_BYTES })
    this.#path = path
    this.#at = start
    this.#end = end
  }

  /** The memory that the stream holds while its client does not read. Further memory comes from a shared pool. */
  get heldBytes(): number {
    return Math.min(2 * SMALL_PIECE_BYTES, this.#end + 1 - this.#at)
  }

  override _construct(done: (error?: Error | null) => void): void {
    open(this.#path, 'r', (error, fd) => {
      if (error === null) this.#fd = fd
      this.#opened.resolve() // who waits for it looks whether it is there
      done(error)
    })
  }

  override _read(): void {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, this.#end + 1 - this.#at))
    this.#fill(piece).then(
      (bytes) => this.push(bytes === 0 ? null : piece.subarray(0, bytes)),
      (error: unknown) => this.destroy(error as Error),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#pieces !== undefined) taken -= this.#pieces.length // they may still be on their way: nobody else gets them
    this.#pieces = undefined
    const end = () =>
      this.#fd === undefined ? done(error) : close(this.#fd, (failed) => done(error ?? failed))
    if (this.#isReading) this.once(READ, end)
    else end()
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    const socket = 'socket' in destination ? destination.socket : destination
    // Others may keep what they are handed.
    if (!(socket instanceof Socket)) return super.pipe(destination, options)
    void this.#pump(destination, options?.end !== false).catch((error: unknown) =>
      this.destroy(error as Error),
    )
    return destination
  }

  async #pump(destination: NodeJS.WritableStream, ends: boolean): Promise<void> {
    await this.#opened.promise
    if (this.destroyed || this.#fd === undefined) return // pieces that are taken now, nobody would give back
    const pieces = takePieces(this.#end + 1 - this.#at)
    this.#pieces = pieces
    let written: Promise<void> | undefined
    for (let n = 0; ; n += 1) {
      const piece = pieces[n % 2] as Buffer
      const [bytes] = await Promise.all([this.#fill(piece), written])
      if (bytes === 0) break
      written = write(destination, piece.subarray(0, bytes))
    }
    // Only here is it certain that nobody holds them any more.
    this.#pieces = undefined
    givePieces(pieces)
    if (ends) destination.end()
    this.push(null)
    this.resume() // to its own end
  }

  /** How many bytes were read, at most to the end of the part; 0 there. */
  async #fill(piece: Buffer): Promise<number> {
    const length = Math.min(piece.length, this.#end + 1 - this.#at)
    if (length <= 0) return 0
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    if (this.#fd === undefined || this.destroyed) throw new Error(`${this.#path} is closed`)
    this.#isReading = true
    read(this.#fd, piece, 0, length, this.#at, (error, bytes) => {
      this.#isReading = false
      this.emit(READ)
      if (error !== null) reject(error)
      else if (bytes === 0) reject(endsBefore(this.#path, this.#end))
      else resolve(bytes)
    })
    const bytes = await promise
    this.#at += bytes
    return bytes
  }
}

const READ = Symbol('read')

function write(destination: NodeJS.WritableStream, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    destination.write(piece, (error) => (error ? reject(error) : resolve()))
  })
}

function takePieces(length: number): readonly [Buffer, Buffer] {
  const isSmall = taken >= MOST_PIECES || length <= 2 * SMALL_PIECE_BYTES
  taken += 2
  if (isSmall) return [Buffer.allocUnsafeSlow(SMALL_PIECE_BYTES), Buffer.allocUnsafeSlow(SMALL_PIECE_BYTES)]
  return [
    spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES),
    spare.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES),
  ]
}

function givePieces(pieces: readonly Buffer[]): void {
  taken -= pieces.length
  for (const piece of pieces) if (piece.length === PIECE_BYTES && spare.length < MOST_SPARE) spare.push(piece)
}
