import { TIMING } from './timing.ts'

/**
 * Milliseconds of the machine's monotonic clock. All threads of a process read the same value, unlike that of
 * `performance.now()`, which counts from each thread's start.
 */
export function monotonic(): number {
  return performance.now() + OFFSET
}

const [seconds, nanoseconds] = process.hrtime()
const OFFSET = seconds * 1_000 + nanoseconds / 1_000_000 - performance.now()

/** One whole number in memory that threads share. */
export type SharedLease = SharedArrayBuffer

/** Makes a lease that has just ended. */
export function newLease(): SharedLease {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
  new Lease(shared).holdUntil(monotonic())
  return shared
}

/** The unit of the stored end: 32 bits then suffice to compare it with times within a year of it. */
const UNIT_MS = 16

/**
 * The time until which this process may answer from memory, for all its threads. Times are those of
 * {@link monotonic}. The number is written and read atomically: a thread that sees a later end also sees
 * everything that was shared before it.
 */
export class Lease {
  readonly #end: Int32Array

  readonly shared: SharedLease

  constructor(shared: SharedLease) {
    this.shared = shared
    this.#end = new Int32Array(shared)
  }

  /** Reports whether the lease has not ended at a time. */
  isHeldAt(at: number): boolean {
    return this.#remaining(at) > 0
  }

  /** Returns for how many milliseconds the lease has ended at a time, or 0 if it has not. */
  endedSince(at: number): number {
    return Math.max(0, -this.#remaining(at) * UNIT_MS)
  }

  /** Reports whether the lease has not ended now. */
  isHeld(): boolean {
    return this.isHeldAt(monotonic())
  }

  /** Returns for how many milliseconds this process may have missed changes, or 0 if the lease is held. */
  behindMs(): number {
    const endedMs = this.endedSince(monotonic())
    return endedMs === 0 ? 0 : endedMs + TIMING.leaseMs
  }

  /** Sets the end, up to 16 ms too early. Only the thread that renews the lease calls this. */
  holdUntil(end: number): void {
    Atomics.store(this.#end, 0, Math.floor(end / UNIT_MS))
  }

  /** Ends the lease at once, if it has not ended. */
  end(at = monotonic()): void {
    if (this.isHeldAt(at)) this.holdUntil(at)
  }

  #remaining(at: number): number {
    return (Atomics.load(this.#end, 0) - Math.ceil(at / UNIT_MS)) | 0
  }
}
