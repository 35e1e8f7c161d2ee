import { DepotError } from '../errors.ts'
import * as postgres from './postgres/errors.ts'
import * as sqlite from './sqlite/errors.ts'

// The errors of every engine. Separate from engine.ts, so that the command line can explain errors without
// loading an engine.

export { isCollision, isConnectionLost } from './postgres/errors.ts'
export { cannotOpen } from './sqlite/errors.ts'

/** Reports whether an error of the database or the file system says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  return sqlite.isDiskFull(error) || postgres.isDiskFull(error)
}

/** Reports whether the database refused a write because the connection can only read. */
export function isReadOnly(error: unknown): boolean {
  return sqlite.isReadOnly(error) || postgres.isReadOnly(error)
}

/**
 * Whether a thread of this process has read a damaged part of the database. All threads share it, and only a
 * restart clears it.
 */
export class DamageSeen {
  readonly shared: SharedArrayBuffer
  readonly #flag: Int32Array

  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared
    this.#flag = new Int32Array(shared)
  }

  /** Records damage if the error of a request shows it. */
  note(error: unknown): void {
    if (sqlite.isDamaged(error) || postgres.isDamaged(error)) Atomics.store(this.#flag, 0, 1)
  }

  get isSeen(): boolean {
    return Atomics.load(this.#flag, 0) === 1
  }
}

/** Explains an error of the database to the operator. Returns `undefined` for other errors. */
export function describeDatabaseError(error: Error): string | undefined {
  return sqlite.describeDatabaseError(error) ?? postgres.describeDatabaseError(error)
}

const RETRY_AFTER_SECONDS = 5

/**
 * Returns `database_unavailable` for an error that says that the server cannot be reached, is busy or accepts
 * no changes, and every other error as it is. `what` tells the caller what became of the request.
 */
export function asUnavailable(error: unknown, what = 'nothing was changed'): unknown {
  const reason = postgres.isConnectionLost(error)
    ? 'the database cannot be reached'
    : postgres.isTooSlow(error)
      ? 'the database is busy'
      : postgres.isReadOnly(error)
        ? 'the database accepts no changes now'
        : undefined
  return reason === undefined
    ? error
    : new DepotError('database_unavailable', `${reason}; ${what}`, {
        cause: error,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      })
}

export function hasNul(value: unknown): value is string {
  return typeof value === 'string' && value.includes('\0')
}

/**
 * Returns the error for a text that cannot be stored. SQLite could store it, but then the depot could not be
 * moved to PostgreSQL.
 */
export function cannotStoreNul(): DepotError {
  return new DepotError('invalid_request', 'a text has a NUL character, which cannot be stored')
}
