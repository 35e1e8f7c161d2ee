/** The size of a large buffer. One read or write of so many bytes costs little more than copying them. */
export const LARGE_BUFFER_BYTES = 1024 * 1024
export const SMALL_BUFFER_BYTES = 64 * 1024
/**
 * While streams hold this number of buffers, further streams get small ones, so that many parallel downloads
 * stay within memory.
 */
const MAX_LARGE_BUFFERS = 64
/**
 * The number of unused large buffers that are kept for later streams. To allocate a new one takes as long as
 * to fill it.
 */
const MAX_SPARE_BUFFERS = 16

/** Two buffers of one size: a stream fills one while the other is written. */
export type BufferPair = readonly [Buffer, Buffer]

/** The buffers of streams that read files. Each pair is given back or dropped once. */
export class ReadBuffers {
  readonly #spare: Buffer[] = []
  #held = 0

  /** The number of buffers that streams hold, large or small. */
  get held(): number {
    return this.#held
  }

  /** Takes two buffers for a stream of `length` bytes. */
  take(length: number): BufferPair {
    const isSmall = this.#held >= MAX_LARGE_BUFFERS || length <= 2 * SMALL_BUFFER_BYTES
    this.#held += 2
    if (isSmall)
      return [Buffer.allocUnsafeSlow(SMALL_BUFFER_BYTES), Buffer.allocUnsafeSlow(SMALL_BUFFER_BYTES)]
    return [this.#takeLarge(), this.#takeLarge()]
  }

  /** Takes back two buffers that nothing uses any more, so that later streams can have them. */
  giveBack(buffers: BufferPair): void {
    this.drop(buffers)
    for (const buffer of buffers)
      if (buffer.length === LARGE_BUFFER_BYTES && this.#spare.length < MAX_SPARE_BUFFERS)
        this.#spare.push(buffer)
  }

  /**
   * Notes that a stream has ended. The system may still be sending its buffers, so no other stream gets them.
   */
  drop(buffers: BufferPair): void {
    this.#held -= buffers.length
  }

  #takeLarge(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_BUFFER_BYTES)
  }
}
