import { setTimeout as pause } from 'node:timers/promises'
import type { Listener, ListenerOptions } from '../database/database.ts'
import { DepotError } from '../errors.ts'

const QUERY_MS = 5_000
const TRY_EVERY_MS = 50
/** The longest time that another node takes to remove a blob. */
const MAX_WAIT_MS = 30_000
const RETRY_AFTER_SECONDS = 5

/**
 * Keeps one node from removing a blob while another one needs it: shared advisory locks of PostgreSQL for
 * those who need a blob, and an exclusive one for who removes it. The locks belong to one connection, and are
 * taken again if it is lost. Only in the moment between could a blob be removed that an upload needs.
 */
export class BlobLocks {
  readonly #connect: (options: ListenerOptions) => Promise<Listener>
  readonly #shared = new Set<string>()
  #connecting: Promise<Listener> | undefined

  constructor(connect: (options: ListenerOptions) => Promise<Listener>) {
    this.#connect = connect
  }

  /** Keeps other nodes from removing a blob until {@link unshare}. Waits for one that is removing it. */
  async share(checksum: string): Promise<void> {
    for (
      let waitedMs = 0;
      !(await this.#try(checksum, 'pg_try_advisory_lock_shared'));
      waitedMs += TRY_EVERY_MS
    ) {
      if (waitedMs >= MAX_WAIT_MS)
        throw new DepotError(
          'database_unavailable',
          'another node is removing the same bytes; nothing was changed',
          {
            retryAfterSeconds: RETRY_AFTER_SECONDS,
          },
        )
      await pause(TRY_EVERY_MS)
    }
    this.#shared.add(checksum)
  }

  /** Ends {@link share}. */
  async unshare(checksum: string): Promise<void> {
    this.#shared.delete(checksum)
    const listener = await this.#connecting?.catch(() => undefined)
    // A lost connection has freed its locks.
    await listener?.query(`select pg_advisory_unlock_shared($1)`, [keyOf(checksum)]).catch(() => undefined)
  }

  /** Calls `act` while no node needs the blob and none is about to. Does nothing if one does. */
  async ifFree(checksum: string, act: () => Promise<void>): Promise<void> {
    if (!(await this.#try(checksum, 'pg_try_advisory_lock'))) return
    try {
      await act()
    } finally {
      const listener = await this.#listener()
      await listener.query('select pg_advisory_unlock($1)', [keyOf(checksum)]).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    const listener = await this.#connecting?.catch(() => undefined)
    await listener?.close()
  }

  async #try(checksum: string, by: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared'): Promise<boolean> {
    const listener = await this.#listener()
    const [row] = await listener.query<{ taken: number }>(`select ${by}($1)::int as taken`, [keyOf(checksum)])
    return row?.taken === 1
  }

  #listener(): Promise<Listener> {
    this.#connecting ??= this.#open().catch((error: unknown) => {
      this.#connecting = undefined
      throw error
    })
    return this.#connecting
  }

  async #open(): Promise<Listener> {
    const listener = await this.#connect({
      timeoutMs: QUERY_MS,
      onNotification: () => undefined,
      onLost: () => {
        this.#connecting = undefined
        // Takes the locks again at once; without a connection, the next use does.
        if (this.#shared.size > 0) void this.#listener().catch(() => undefined)
      },
    })
    for (const checksum of this.#shared)
      await listener.query('select pg_try_advisory_lock_shared($1)', [keyOf(checksum)])
    return listener
  }
}

/** The number of a blob's lock: 64 bits of its checksum, in the form that PostgreSQL reads. */
function keyOf(checksum: string): string {
  return BigInt.asIntN(64, BigInt(`0x${checksum.slice(0, 16)}`)).toString()
}
