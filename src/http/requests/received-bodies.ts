import { DepotError } from '../../errors.ts'

/** A larger body is refused while others fill half of the limit, so that small ones find room. */
const SMALL_BYTES = 1024 * 1024
const RETRY_AFTER_SECONDS = 5

/**
 * The bytes of bodies that this thread holds in memory, and their limit. A body is held from its first byte until its request is answered.
 * Packages are not among them: they go to the disk as they come.
 */
export class ReceivedBodies {
  readonly #mostBytes: number
  readonly #held = new Map<object, number>()
  readonly #settled = new WeakSet()
  #bytes = 0

  constructor({ mostBytes }: { mostBytes: number }) {
    this.#mostBytes = mostBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Counts a piece of a request's body. Throws `overloaded` where there is no room for it: small bodies may use the whole limit, and larger
   * ones half of it. The only larger body is always taken, so that each finds room once the others are done.
   */
  take(request: object, bytes: number): void {
    if (this.#settled.has(request)) return // the rest of its body is thrown away
    const size = (this.#held.get(request) ?? 0) + bytes
    const after = this.#bytes + bytes
    const hasRoom =
      size <= SMALL_BYTES
        ? after <= this.#mostBytes
        : after <= this.#mostBytes / 2 || this.#isOnlyLarge(request)
    if (!hasRoom)
      throw new DepotError(
        'overloaded',
        `too many bodies are being received: try again in ${RETRY_AFTER_SECONDS} seconds`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      )
    this.#held.set(request, size)
    this.#bytes = after
  }

  /** Counts nothing of a request's body any longer, nor what comes of it from now on. */
  settle(request: object): void {
    this.#settled.add(request)
    this.#bytes -= this.#held.get(request) ?? 0
    this.#held.delete(request)
  }

  #isOnlyLarge(request: object): boolean {
    return [...this.#held].every(([other, bytes]) => other === request || bytes <= SMALL_BYTES)
  }
}
