import { setTimeout as pause } from 'node:timers/promises'
import type { Listener, ListenerOptions } from '../database/database.ts'
import { DepotError } from '../errors.ts'

const QUERY_MS = 5_000
const TRY_EVERY_MS = 50
const CONNECT_EVERY_MS = 250
/** The longest time that another node takes to remove a blob. */
const MAX_WAIT_MS = 30_000
const RETRY_AFTER_SECONDS = 5

/** A shared lock of this node. */
interface Share {
  /** Whether PostgreSQL may have freed the lock for a while. */
  wasLost: boolean
}

/**
 * Keeps one node from removing a blob while another one needs it. A node that needs a blob takes a shared
 * advisory lock of PostgreSQL, and a node that removes it takes an exclusive one. The locks belong to one
 * connection, and are taken again if it is lost. Until they are, another node could remove a blob that an
 * upload needs; {@link BlobLocks.unshare} reports that this was possible.
 */
export class BlobLocks {
  readonly #connect: (options: ListenerOptions) => Promise<Listener>
  readonly #shared = new Map<string, Share>()
  readonly #closing = new AbortController()
  #connecting: Promise<Listener> | undefined
  #isTakingAgain = false

  constructor(connect: (options: ListenerOptions) => Promise<Listener>) {
    this.#connect = connect
  }

  /**
   * Keeps other nodes from removing a blob until {@link unshare}. Waits while another node is removing it,
   * and throws `database_unavailable` if that takes too long.
   */
  async share(checksum: string): Promise<void> {
    for (
      let waitedMs = 0;
      !(await take(await this.#listener(), checksum, 'pg_try_advisory_lock_shared'));
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
    this.#shared.set(checksum, { wasLost: false })
  }

  /**
   * Ends {@link share}. Returns whether the lock was held all the time. Otherwise, another node may have
   * removed the blob.
   */
  async unshare(checksum: string): Promise<boolean> {
    const share = this.#shared.get(checksum)
    this.#shared.delete(checksum)
    const listener = await this.#connecting?.catch(() => undefined)
    // A lost connection has freed its locks.
    const rows = await listener
      ?.query<{ freed: number }>(`select pg_advisory_unlock_shared($1)::int as freed`, [keyOf(checksum)])
      .catch(() => undefined)
    return rows?.[0]?.freed === 1 && share?.wasLost === false
  }

  /**
   * Calls `act` if no node needs the blob. Nodes that come to need it wait for `act`. Otherwise does nothing.
   * `act` must ask `isStillFree` right before it removes the blob, because PostgreSQL frees the lock of a
   * process that is stopped for long.
   */
  async ifFree(checksum: string, act: (isStillFree: () => Promise<boolean>) => Promise<void>): Promise<void> {
    const listener = await this.#listener()
    if (!(await take(listener, checksum, 'pg_try_advisory_lock'))) return
    try {
      await act(() => isHeld(listener, checksum))
    } finally {
      await listener.query('select pg_advisory_unlock($1)', [keyOf(checksum)]).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const listener = await this.#connecting?.catch(() => undefined)
    await listener?.close()
  }

  #listener(): Promise<Listener> {
    if (this.#connecting !== undefined) return this.#connecting
    const forget = () => {
      if (this.#connecting === connecting) this.#connecting = undefined
    }
    const connecting = this.#open(() => {
      forget()
      void this.#takeAgain()
    })
    connecting.catch(forget)
    this.#connecting = connecting
    return connecting
  }

  async #open(onLost: () => void): Promise<Listener> {
    for (const share of this.#shared.values()) share.wasLost = true
    const listener = await this.#connect({ timeoutMs: QUERY_MS, onNotification: () => undefined, onLost })
    try {
      for (const [checksum, share] of this.#shared)
        if (!(await take(listener, checksum, 'pg_try_advisory_lock_shared')))
          void this.#takeLater(listener, checksum, share)
      return listener
    } catch (error) {
      await listener.close()
      throw error
    }
  }

  /** Connects again, as long as there are shared locks. */
  async #takeAgain(): Promise<void> {
    if (this.#isTakingAgain) return
    this.#isTakingAgain = true
    const { signal } = this.#closing
    while (this.#shared.size > 0 && !signal.aborted) {
      try {
        await this.#listener()
        break
      } catch {
        await pause(CONNECT_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined)
      }
    }
    this.#isTakingAgain = false
  }

  /** Takes a shared lock once the other node has removed the blob. */
  async #takeLater(listener: Listener, checksum: string, share: Share): Promise<void> {
    const { signal } = this.#closing
    try {
      do await pause(TRY_EVERY_MS, undefined, { signal, ref: false })
      while (
        this.#shared.get(checksum) === share &&
        !(await take(listener, checksum, 'pg_try_advisory_lock_shared'))
      )
    } catch {
      // The connection was lost, so all shared locks are taken on another one; or this node is closing.
    }
  }
}

async function take(
  listener: Listener,
  checksum: string,
  by: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared',
): Promise<boolean> {
  const [row] = await listener.query<{ taken: number }>(`select ${by}($1)::int as taken`, [keyOf(checksum)])
  return row?.taken === 1
}

/** Reports whether the session of a connection has the exclusive lock of a blob. */
async function isHeld(listener: Listener, checksum: string): Promise<boolean> {
  const rows = await listener.query(
    `select 1 from pg_locks
     where locktype = 'advisory' and mode = 'ExclusiveLock' and granted and pid = pg_backend_pid()
       and (classid::int8 << 32 | objid::int8) = $1::int8 and objsubid = 1`,
    [keyOf(checksum)],
  )
  return rows.length > 0
}

/** The number of a blob's lock: 64 bits of its checksum, in the form that PostgreSQL reads. */
function keyOf(checksum: string): string {
  return BigInt.asIntN(64, BigInt(`0x${checksum.slice(0, 16)}`)).toString()
}
