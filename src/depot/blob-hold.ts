import { chownSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { DepotError } from '../errors.ts'
import { holdData, isHeld, lockData } from '../database/engine.ts'

// A backup copies the blobs that one state of the database needs. Meanwhile, releases may be deleted, but
// their blobs must stay. The backup runs in a process of its own, and the depot may start and stop during
// it, so the hold is a lock on a file.

const HOLD = 'hold.sqlite'
const BACKUP_LOCK = 'backup-lock.sqlite'

/**
 * Keeps every process from removing blobs of the depot, until `close` is called or this process ends. If this
 * process runs as root, it gives the file to the owner of the data folder, who could not lock it otherwise.
 * Throws like {@link holdData}.
 */
export function holdBlobs({ dataFolder }: Pick<Config, 'dataFolder'>): { close(): void } {
  return openAsOwner(join(dataFolder, HOLD), holdData)
}

/**
 * Keeps other processes from writing backups of the depot to a place that has no locks, until `close` is
 * called or this process ends. Throws `data_in_use`.
 */
export function lockBackups({ dataFolder }: Pick<Config, 'dataFolder'>): { close(): void } {
  try {
    return openAsOwner(join(dataFolder, BACKUP_LOCK), lockData)
  } catch (error) {
    if (!(error instanceof DepotError && error.code === 'data_in_use')) throw error
    throw new DepotError('data_in_use', 'another process writes a backup of this depot: try again later', {
      cause: error,
    })
  }
}

function openAsOwner(file: string, open: (file: string) => { close(): void }): { close(): void } {
  const lock = open(file)
  if (process.geteuid?.() === 0) {
    const { uid, gid } = statSync(dirname(file))
    chownSync(file, uid, gid)
  }
  return lock
}

/** Reports whether a process holds the blobs of the depot. */
export function areBlobsHeld({ dataFolder }: Pick<Config, 'dataFolder'>): boolean {
  return isHeld(join(dataFolder, HOLD))
}
