import type { Socket } from 'node:net'

/** A client that takes less of its answer is slow. */
const SLOW_BYTES_PER_SECOND = 16 * 1024

const HANDLE = '_handle'

/** Bytes that an answer holds in memory until its client takes them. */
interface Charge {
  readonly socket: Socket
  readonly bytes: number
  readonly begun: number
  readonly takenBefore: number
}

/**
 * The bytes of answers that wait in this thread's memory for their clients, and their limit. When there is no room for another answer,
 * clients that take theirs slowly are cut off.
 */
export class PendingAnswers {
  readonly #mostBytes: number
  readonly #slowAfterMs: number
  readonly #charges = new Set<Charge>()
  #bytes = 0

  /** A client is not judged slow before it has had `slowAfterMs`. */
  constructor({ mostBytes, slowAfterMs }: { mostBytes: number; slowAfterMs: number }) {
    this.#mostBytes = mostBytes
    this.#slowAfterMs = slowAfterMs
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Cuts off slow clients where there is no room for so many bytes more. Whether there is room then. */
  makeRoom(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#mostBytes) return true
    const now = performance.now()
    const slow = [...this.#charges]
      .map((charge) => ({ charge, rate: rateOf(charge, now) }))
      .filter(({ charge, rate }) => now - charge.begun >= this.#slowAfterMs && rate < SLOW_BYTES_PER_SECOND)
      .toSorted((a, b) => a.rate - b.rate)
    for (const { charge } of slow) {
      charge.socket.destroy()
      this.#settle(charge)
      if (this.#bytes + bytes <= this.#mostBytes) return true
    }
    return false
  }

  /** Counts bytes that wait for the client of a socket, until the call of what is returned. There may be no room for them. */
  charge(socket: Socket, bytes: number): () => void {
    const charge = { socket, bytes, begun: performance.now(), takenBefore: takenOf(socket) }
    this.#charges.add(charge)
    this.#bytes += bytes
    return () => this.#settle(charge)
  }

  #settle(charge: Charge): void {
    if (this.#charges.delete(charge)) this.#bytes -= charge.bytes
  }
}

function rateOf({ socket, begun, takenBefore }: Charge, now: number): number {
  return ((takenOf(socket) - takenBefore) * 1_000) / (now - begun)
}

/** What the kernel took of a socket's bytes. node:net counts all of a piece as written when it hands it over; the rest of it waits in libuv. */
function takenOf(
  socket: Socket & { readonly [HANDLE]?: { readonly writeQueueSize?: number } | null },
): number {
  return socket.bytesWritten - (socket[HANDLE]?.writeQueueSize ?? 0)
}
