import { DepotError } from '../../errors.ts'

/** Larger bodies may use only half of the limit, which leaves room for small ones. */
const SMALL_BYTES = 1024 * 1024
const RETRY_AFTER_SECONDS = 5

/**
 * Counts and limits the bytes of request bodies that this thread holds in memory, from the first byte until
 * the request is answered. Packages are not counted: they are written to disk as they arrive.
 */
export class ReceivedBodies {
  readonly #maxBytes: number
  readonly #held = new Map<object, number>()
  readonly #settled = new WeakSet()
  #bytes = 0

  constructor({ maxBytes }: { maxBytes: number }) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Counts a chunk of a request's body. Throws `overloaded` if there is no room. Small bodies may use the
   * whole limit, larger ones half of it. While there is only one larger body, it is always accepted:
   * otherwise a body of more than half of the limit would never find room.
   */
  take(request: object, bytes: number): void {
    if (this.#settled.has(request)) return // the rest of its body is discarded
    const size = (this.#held.get(request) ?? 0) + bytes
    const after = this.#bytes + bytes
    const hasRoom =
      size <= SMALL_BYTES
        ? after <= this.#maxBytes
        : after <= this.#maxBytes / 2 || this.#isOnlyLarge(request)
    if (!hasRoom)
      throw new DepotError(
        'overloaded',
        `too many bodies are being received: try again in ${RETRY_AFTER_SECONDS} seconds`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      )
    this.#held.set(request, size)
    this.#bytes = after
  }

  /** Stops counting a request's body, and ignores the rest of it. */
  settle(request: object): void {
    this.#settled.add(request)
    this.#bytes -= this.#held.get(request) ?? 0
    this.#held.delete(request)
  }

  #isOnlyLarge(request: object): boolean {
    return [...this.#held].every(([other, bytes]) => other === request || bytes <= SMALL_BYTES)
  }
}
