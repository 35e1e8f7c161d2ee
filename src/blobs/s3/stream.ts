import { finished } from 'node:stream'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { BlobAbsent, BlobStream, BlobUnreadable } from '../storage.ts'

/** An object that is being read. The caller reads the body to its end or destroys it. */
export interface OpenedObject {
  readonly body: Readable
  /** The size of the whole object. */
  readonly sizeBytes: number
  /** Differs if the object was replaced. */
  readonly tag: string
}

interface ObjectRange {
  readonly checksum: string
  /** The first byte, and the last one. */
  readonly start: number
  readonly end: number
  readonly object: OpenedObject
  /** Opens the object again, from byte `start` to the end of the range. */
  readonly reopen: (start: number) => Promise<OpenedObject>
  /** How long the service may send nothing while the reader waits. */
  readonly idleMs?: number
}

const BUFFER_BYTES = 64 * 1024
/** The buffers of this stream, of the body and of the parser of HTTP. */
const HELD_BYTES = 3 * BUFFER_BYTES
/**
 * How often a stream opens the object again without receiving a byte. The pauses add up to six seconds, in
 * which a service can restart.
 */
const MAX_REOPENED = 5
/** The pause before the second attempt. It grows with the square of the attempts. */
const REOPEN_MS = 200
const IDLE_MS = 30_000

/**
 * Streams a range of an object. If the connection is cut, opens the object again at the next byte: services
 * close connections whose readers are slow. Fails with {@link BlobUnreadable} if that does not help, or if
 * the object was replaced meanwhile.
 */
export class S3Stream extends BlobStream {
  readonly #range: ObjectRange
  #body: OpenedObject['body']
  /** The next byte. */
  #at: number
  #isWanted = false
  #isReopening = false
  /** Whether the connection was cut while the reader did not read. */
  #isCut = false
  #reopened = 0
  #idle: NodeJS.Timeout | undefined

  constructor(range: ObjectRange) {
    super({ highWaterMark: BUFFER_BYTES })
    this.#range = range
    this.#at = range.start
    this.#body = range.object.body
    this.#attach()
  }

  override get heldBytes(): number {
    return Math.min(HELD_BYTES, this.#range.end + 1 - this.#at)
  }

  override _read(): void {
    this.#isWanted = true
    if (this.#isCut) void this.#reopen(undefined)
    else this.#move()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#idle)
    this.#body.destroy()
    done(error)
  }

  #attach(): void {
    const body = this.#body
    body.on('readable', () => this.#move())
    finished(body, { writable: false }, (error) => {
      if (body === this.#body && !this.destroyed) this.#ended(error ?? undefined)
    })
  }

  /** Passes on what has arrived, while the reader wants it. */
  #move(): void {
    clearTimeout(this.#idle)
    while (this.#isWanted && !this.#isReopening) {
      const chunk = this.#body.read() as Buffer | null
      if (chunk === null) break
      this.#at += chunk.length
      this.#reopened = 0
      if (this.#at > this.#range.end + 1) return this.#fail('it sent more bytes than the object has')
      this.#isWanted = this.push(chunk)
    }
    if (!this.#isWanted || this.#isReopening || this.#body.readableEnded) return
    this.#idle = setTimeout(
      () => this.#body.destroy(new Error('the service stopped sending')),
      this.#range.idleMs ?? IDLE_MS,
    ).unref()
  }

  #ended(error: Error | undefined): void {
    clearTimeout(this.#idle)
    if (this.#at > this.#range.end) this.push(null)
    else if (this.#isWanted) void this.#reopen(error)
    else this.#isCut = true // a connection of a slow reader would only be cut again
  }

  async #reopen(cause: unknown): Promise<void> {
    this.#isReopening = true
    this.#isCut = false
    const { object, reopen } = this.#range
    for (let fault = cause; !this.destroyed;) {
      this.#reopened += 1
      if (this.#reopened > MAX_REOPENED) return this.#fail('the connection was cut', fault)
      await sleep((this.#reopened - 1) ** 2 * REOPEN_MS, undefined, { ref: false })
      try {
        const { body, tag, sizeBytes } = await reopen(this.#at)
        this.#body = body
        if (tag !== object.tag || sizeBytes !== object.sizeBytes)
          return this.#fail('it was replaced while it was read')
        break
      } catch (error) {
        fault = error
        if (error instanceof BlobAbsent) return void this.destroy(error)
      }
    }
    if (this.destroyed) return void this.#body.destroy()
    this.#isReopening = false
    this.#attach()
    this.#move()
  }

  #fail(reason: string, cause?: unknown): void {
    this.destroy(new BlobUnreadable(this.#range.checksum, { damage: undefined, reason, cause }))
  }
}

/** The stream of an empty range. */
export class EmptyStream extends BlobStream {
  override get heldBytes(): number {
    return 0
  }

  override _read(): void {
    this.push(null)
  }
}
