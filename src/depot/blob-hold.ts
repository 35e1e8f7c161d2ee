import { join } from 'node:path'
import type { Config } from '../config.ts'
import { holdData, isHeld } from '../database/engine.ts'

// A backup copies the blobs that one state of the database needs. Meanwhile, releases may be deleted, but
// their blobs must stay. The backup runs in a process of its own, and the depot may start and stop during
// it, so the hold is a lock on a file.

const HOLD = 'hold.sqlite'

/** Keeps every process from removing blobs of the depot, until `close` is called or this process ends. */
export function holdBlobs({ dataFolder }: Pick<Config, 'dataFolder'>): { close(): void } {
  return holdData(join(dataFolder, HOLD))
}

/** Reports whether a process holds the blobs of the depot. */
export function areBlobsHeld({ dataFolder }: Pick<Config, 'dataFolder'>): boolean {
  return isHeld(join(dataFolder, HOLD))
}
