import type { Db, Engine, Listener } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import { isLocked } from './lock-store.ts'

/**
 * Locks on a whole depot for all of its nodes. The numbers are those of PostgreSQL's advisory locks, and
 * never change.
 */
const NUMBERS = { hold: 4_117_003, backups: 4_117_004 } as const

type Name = keyof typeof NUMBERS

const QUERY_MS = 5_000

/** A lock that belongs to a connection of its own. The caller closes it. */
export class DepotLock {
  readonly #listener: Listener

  private constructor(listener: Listener) {
    this.#listener = listener
  }

  /**
   * Takes a lock, with `shared` together with other processes. Returns `undefined` on an engine that one
   * process writes: its locks are files. Throws `data_in_use` if another process has the lock and at least
   * one of the two does not share it.
   */
  static async take(
    engine: Engine,
    name: Name,
    { shared }: { shared: boolean },
  ): Promise<DepotLock | undefined> {
    const listener = await engine.listen?.({
      timeoutMs: QUERY_MS,
      onNotification: () => undefined,
      onLost: () => undefined, // `expectHeld` notices it
    })
    if (listener === undefined) return undefined
    try {
      const by = shared ? 'pg_try_advisory_lock_shared' : 'pg_try_advisory_lock'
      const [row] = await listener.query<{ taken: number }>(`select ${by}($1)::int as taken`, [NUMBERS[name]])
      if (row?.taken !== 1) throw new DepotError('data_in_use', `another process has the lock ${name}`)
      return new DepotLock(listener)
    } catch (error) {
      await listener.close()
      throw error
    }
  }

  /** Throws `database_unavailable` if the connection was lost, and the lock with it. */
  async expectHeld(): Promise<void> {
    try {
      await this.#listener.query('select 1')
    } catch (cause) {
      throw new DepotError(
        'database_unavailable',
        'the connection to the database was lost, so packages may have been removed meanwhile: try again',
        { cause },
      )
    }
  }

  async close(): Promise<void> {
    await this.#listener.close()
  }
}

/** Reports whether a process on any node has the lock. */
export async function isDepotLocked(db: Db, name: Name): Promise<boolean> {
  return isLocked(db, NUMBERS[name])
}
