import { join } from 'node:path'
import type { DepotLock } from '../cluster/depot-lock.ts'
import type { Config } from '../config/config.ts'
import type { Db } from '../database/database.ts'
import { holdData, isHeld, lockData, openEngine } from '../database/engine.ts'
import { DepotError } from '../errors.ts'

// A backup copies the blobs that one state of the database needs. Meanwhile, releases may be deleted, but
// their blobs must stay. The backup runs in a process of its own, and the depot may start and stop during
// it, so the hold is a lock on a file, and on PostgreSQL also an advisory lock, which all nodes see.

const HOLD = 'hold.sqlite'
const BACKUP_LOCK = 'backup-lock.sqlite'

type Place = Pick<Config, 'dataFolder' | 'database'>

export interface Hold {
  /** Throws `database_unavailable` if other nodes may have removed blobs since the hold began. */
  expectHeld(): Promise<void>
  close(): Promise<void>
}

/**
 * Keeps every process from removing blobs of the depot, until `close` is called or this process ends. Throws
 * like {@link holdData}.
 */
export async function holdBlobs({ dataFolder, database }: Place): Promise<Hold> {
  const lock = holdData(join(dataFolder, HOLD))
  try {
    const forNodes = await lockForNodes(database, 'hold', { shared: true })
    return {
      expectHeld: async () => forNodes?.expectHeld(),
      async close() {
        lock.close()
        await forNodes?.close()
      },
    }
  } catch (error) {
    lock.close()
    throw error
  }
}

/**
 * Keeps other processes, on all nodes, from writing backups of the depot to a place that has no locks, until
 * `close` is called or this process ends. Throws `data_in_use`.
 */
export async function lockBackups({ dataFolder, database }: Place): Promise<{ close(): void }> {
  let lock: { close(): void } | undefined
  try {
    const file = (lock = lockData(join(dataFolder, BACKUP_LOCK)))
    const forNodes = await lockForNodes(database, 'backups', { shared: false })
    return {
      close() {
        file.close()
        void forNodes?.close()
      },
    }
  } catch (error) {
    lock?.close()
    if (!(error instanceof DepotError && error.code === 'data_in_use')) throw error
    throw new DepotError('data_in_use', 'another process writes a backup of this depot: try again later', {
      cause: error,
    })
  }
}

/** Takes a lock that all nodes see. Returns `undefined` if there is one node. */
async function lockForNodes(
  database: Config['database'],
  ...lock: [name: 'hold' | 'backups', { shared: boolean }]
): Promise<DepotLock | undefined> {
  return database.engine === 'sqlite'
    ? undefined
    : (await loadLock()).DepotLock.take(await openEngine(database), ...lock)
}

/** Reports whether a process holds the blobs of the depot. */
export async function areBlobsHeld({ dataFolder, database }: Place, db: Db): Promise<boolean> {
  if (isHeld(join(dataFolder, HOLD))) return true
  return database.engine === 'postgres' && (await loadLock()).isDepotLocked(db, 'hold')
}

/** Loads what only depots with several nodes need. */
const loadLock = async () => import('../cluster/depot-lock.ts')
