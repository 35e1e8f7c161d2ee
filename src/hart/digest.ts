import { DepotError } from '../errors.ts'
import { Blake2b } from './blake2b.ts'
import { parseHeader } from './header.ts'
import type { HartHeader } from './header.ts'

/** What one pass over a hart file finds. */
export interface HartDigests {
  readonly header: HartHeader
  /** Hash of the whole file in hex. Uploads announce it, and it is the ETag of downloads. */
  readonly checksum: string
  /** Hash of everything after the header in hex. The signature signs it. */
  readonly payloadHash: string
  readonly sizeBytes: number
}

/**
 * Parses the header of a hart file that arrives in chunks of any size, and counts the bytes of the whole
 * file.
 */
export class HartHeaderReader {
  #start = Buffer.alloc(0)
  #header: HartHeader | undefined
  #sizeBytes = 0

  /** The header; `undefined` until it has arrived completely. */
  get header(): HartHeader | undefined {
    return this.#header
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Throws `hart_malformed` as soon as the bytes cannot be the start of a hart file. */
  update(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.length
    if (this.#header !== undefined) return
    // parseHeader throws before `#start` grows beyond the longest header and one chunk.
    this.#start = Buffer.concat([this.#start, chunk])
    this.#header = parseHeader(this.#start)
    if (this.#header !== undefined) this.#start = Buffer.alloc(0)
  }

  /**
   * Checks that the header is complete. Call it after the last byte. Throws `hart_malformed` if the file
   * ended within its header or has no payload.
   */
  finish(): HartHeader {
    const header = this.#header
    if (header === undefined)
      throw new DepotError(
        'hart_malformed',
        `not a hart file: it ends within its header, after ${this.#sizeBytes} bytes`,
      )
    if (this.#sizeBytes === header.payloadOffset)
      throw new DepotError('hart_malformed', 'not a hart file: nothing follows its header')
    return header
  }
}

/** Hashes a hart file that arrives in chunks. */
export class HartDigest {
  readonly #start = new HartHeaderReader()
  readonly #file = new Blake2b()
  readonly #payload = new Blake2b()

  get header(): HartHeader | undefined {
    return this.#start.header
  }

  /** Throws `hart_malformed` as soon as the bytes cannot be the start of a hart file. */
  update(chunk: Uint8Array): void {
    const before = this.#start.sizeBytes
    this.#start.update(chunk)
    this.#file.update(chunk)
    const { header } = this.#start
    if (header !== undefined && this.#start.sizeBytes > header.payloadOffset)
      this.#payload.update(chunk.subarray(Math.max(0, header.payloadOffset - before)))
  }

  /**
   * Call it once, after the last byte. Throws `hart_malformed` if the file ended within its header or has no
   * payload.
   */
  finish(): HartDigests {
    const header = this.#start.finish()
    return {
      header,
      checksum: this.#file.digest(),
      payloadHash: this.#payload.digest(),
      sizeBytes: this.#start.sizeBytes,
    }
  }
}
