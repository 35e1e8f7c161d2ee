import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { DepotError } from '../errors.ts'

/** The payload of a hart file. */
export interface Payload {
  readonly sizeBytes: number
  /**
   * Returns the `length` bytes from position `at` on, which are valid until the next call. Throws
   * `hart_malformed` if the payload ends before the last of them.
   */
  bytes(at: number, length: number): Buffer
}

/** A payload in memory. */
export class PayloadBytes implements Payload {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  bytes(at: number, length: number): Buffer {
    if (at + length > this.#bytes.length) throw cutOff(this.#bytes.length)
    return this.#bytes.subarray(at, at + length)
  }
}

/**
 * The payload of a hart file on disk, read through a window of fixed size. Open it with `using`, which closes
 * it.
 */
export class PayloadFile implements Payload {
  readonly sizeBytes: number
  readonly #fd: number
  readonly #offset: number
  readonly #window: Buffer
  /** The part of the payload that is in the window. */
  #start = 0
  #length = 0

  constructor(path: string, options: { payloadOffset: number; windowBytes: number }) {
    this.#fd = openSync(path, 'r')
    this.#offset = options.payloadOffset
    this.#window = Buffer.alloc(options.windowBytes)
    this.sizeBytes = Math.max(0, fstatSync(this.#fd).size - options.payloadOffset)
  }

  /** See {@link Payload.bytes}. `length` must be at most the size of the window. */
  bytes(at: number, length: number): Buffer {
    if (at < this.#start || at + length > this.#start + this.#length) this.#fill(at)
    const from = at - this.#start
    if (from + length > this.#length) throw cutOff(this.sizeBytes)
    return this.#window.subarray(from, from + length)
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }

  #fill(at: number): void {
    this.#start = at
    this.#length = 0
    for (;;) {
      const read = readSync(
        this.#fd,
        this.#window,
        this.#length,
        this.#window.length - this.#length,
        this.#offset + at + this.#length,
      )
      this.#length += read
      if (read === 0 || this.#length === this.#window.length) return
    }
  }
}

function cutOff(sizeBytes: number): DepotError {
  return new DepotError('hart_malformed', `its compressed archive is cut off after ${sizeBytes} bytes`)
}
