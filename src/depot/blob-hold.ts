import { chownSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { holdData, isHeld } from '../database/engine.ts'

// A backup copies the blobs that one state of the database needs. Meanwhile, releases may be deleted, but
// their blobs must stay. The backup runs in a process of its own, and the depot may start and stop during
// it, so the hold is a lock on a file.

const HOLD = 'hold.sqlite'

/**
 * Keeps every process from removing blobs of the depot, until `close` is called or this process ends. If this
 * process runs as root, it gives the file to the owner of the data folder, who could not lock it otherwise.
 * Throws like {@link holdData}.
 */
export function holdBlobs({ dataFolder }: Pick<Config, 'dataFolder'>): { close(): void } {
  const file = join(dataFolder, HOLD)
  const hold = holdData(file)
  if (process.geteuid?.() === 0) {
    const { uid, gid } = statSync(dataFolder)
    chownSync(file, uid, gid)
  }
  return hold
}

/** Reports whether a process holds the blobs of the depot. */
export function areBlobsHeld({ dataFolder }: Pick<Config, 'dataFolder'>): boolean {
  return isHeld(join(dataFolder, HOLD))
}
