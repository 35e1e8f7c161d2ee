import type { Socket } from 'node:net'

/** Clients that receive at a lower rate are slow. */
const SLOW_BYTES_PER_SECOND = 16 * 1024

/** The property in which node:net keeps the connection's handle of libuv. */
const HANDLE = '_handle'

/** The bytes that an answer holds in memory until its client has received them. */
interface Charge {
  readonly socket: Socket
  readonly bytes: number
  /** In milliseconds, on the clock of `performance.now`. */
  readonly begunAt: number
  /** The bytes that the kernel had accepted from this connection before the charge began. */
  readonly acceptedBefore: number
}

/**
 * Counts and limits the bytes of answers that wait in memory for their clients. When there is no room for
 * another answer, slow clients are cut off.
 */
export class PendingAnswers {
  readonly #maxBytes: number
  readonly #slowAfterMs: number
  readonly #charges = new Set<Charge>()
  #bytes = 0

  /** A client counts as slow only after `slowAfterMs`. */
  constructor({ maxBytes, slowAfterMs }: { maxBytes: number; slowAfterMs: number }) {
    this.#maxBytes = maxBytes
    this.#slowAfterMs = slowAfterMs
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Makes room for `bytes` more by cutting off slow clients. Returns whether there is room. */
  makeRoom(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#maxBytes) return true
    const now = performance.now()
    const slow = [...this.#charges]
      .map((charge) => ({ charge, rate: rateOf(charge, now) }))
      .filter(({ charge, rate }) => now - charge.begunAt >= this.#slowAfterMs && rate < SLOW_BYTES_PER_SECOND)
      .toSorted((a, b) => a.rate - b.rate)
    for (const { charge } of slow) {
      charge.socket.destroy()
      this.#settle(charge)
      if (this.#bytes + bytes <= this.#maxBytes) return true
    }
    return false
  }

  /** Counts bytes for a socket, even beyond the limit, until the returned function is called. */
  charge(socket: Socket, bytes: number): () => void {
    const charge = { socket, bytes, begunAt: performance.now(), acceptedBefore: acceptedBytes(socket) }
    this.#charges.add(charge)
    this.#bytes += bytes
    return () => this.#settle(charge)
  }

  #settle(charge: Charge): void {
    if (this.#charges.delete(charge)) this.#bytes -= charge.bytes
  }
}

/** Returns the rate at which the client has received since its charge began, in bytes a second. */
function rateOf({ socket, begunAt, acceptedBefore }: Charge, now: number): number {
  return ((acceptedBytes(socket) - acceptedBefore) * 1_000) / (now - begunAt)
}

/**
 * Returns how many bytes the kernel has accepted. node:net counts a chunk as written when it hands it to
 * libuv, where a part of it may still wait.
 */
function acceptedBytes(
  socket: Socket & { readonly [HANDLE]?: { readonly writeQueueSize?: number } | null },
): number {
  return socket.bytesWritten - (socket[HANDLE]?.writeQueueSize ?? 0)
}
