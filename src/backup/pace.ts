import { setTimeout as sleep } from 'node:timers/promises'

/** Limits the bytes per second of all its callers together. */
export class Pace {
  readonly #bytesPerMs: number
  /** The earliest time at which the bytes so far may be complete, by `performance.now`. */
  #dueAt = 0

  constructor(bytesPerS: number) {
    this.#bytesPerMs = bytesPerS / 1_000
  }

  /** Resolves when `bytes` more may follow. */
  async take(bytes: number): Promise<void> {
    const ms = this.#reserve(bytes)
    if (ms >= 1) await sleep(ms)
  }

  /** Like {@link take}, but blocks this thread, for callers that cannot wait. */
  takeNow(bytes: number): void {
    const ms = this.#reserve(bytes)
    if (ms >= 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  }

  /** Counts `bytes`, and returns how many milliseconds the caller must wait. */
  #reserve(bytes: number): number {
    const now = performance.now()
    this.#dueAt = Math.max(this.#dueAt, now) + bytes / this.#bytesPerMs
    return this.#dueAt - now
  }
}
