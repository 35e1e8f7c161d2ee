import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../config.ts'
import { DepotError } from '../errors.ts'
import type { Spool } from './spool.ts'

/** The space of one file system in bytes. */
export interface DiskSpace {
  /** The bytes that an unprivileged process may still write. */
  readonly freeBytes: number
  /** The bytes that uploads leave free for other writes: promotions, deletions and the database's log. */
  readonly reserveBytes: number
}

const MAX_RESERVE_BYTES = 256 * 1024 * 1024
const RESERVE_SHARE = 0.01

/** The parts of a depot whose disks uploads need. */
interface Places {
  readonly config: Pick<Config, 'databaseFile' | 'diskReserveBytes'>
  readonly blobs: { readonly spool: Pick<Spool, 'folder'> }
}

/**
 * Reads the space on the disks of the database and the packages, often the same disk. Packages need the disk
 * of the spool: every store is given spooled files, and a store of files is on the same disk. Rejects with
 * the system's error.
 */
export async function readDiskSpace({
  config: { databaseFile, diskReserveBytes },
  blobs: { spool },
}: Places): Promise<{ database: DiskSpace; packages: DiskSpace }> {
  const read = async (folder: string): Promise<DiskSpace> => {
    const { bavail, blocks, bsize } = await statfs(folder)
    return {
      freeBytes: bavail * bsize,
      reserveBytes:
        diskReserveBytes ?? Math.min(Math.floor(blocks * bsize * RESERVE_SHARE), MAX_RESERVE_BYTES),
    }
  }
  const [database, packages] = await Promise.all([read(dirname(databaseFile)), read(spool.folder)])
  return { database, packages }
}

/** A reading of the disks counts for this long if it left ample room. */
const READING_MS = 1_000
/** More than uploads write in that time. */
const AMPLE_BYTES = 2 * 1024 ** 3

/** Checks for each upload that the disks have room. Each thread has its own. */
export class DiskRoom {
  readonly #places: Places
  readonly #elapsed: () => number
  #reading: { readonly at: number; roomBytes: number } | undefined

  /** `elapsed` returns the milliseconds of a monotonic clock. */
  constructor(places: Places, elapsed = () => performance.now()) {
    this.#places = places
    this.#elapsed = elapsed
  }

  /**
   * Checks that the disk has room for `bytes` more. Throws `storage_full` if they would use the space
   * reserved for other writes. `what` names the upload. Many small uploads share one reading of the disks.
   */
  async expect({ bytes, what }: { bytes: number; what: string }): Promise<void> {
    const kept = this.#reading
    if (kept !== undefined && this.#elapsed() - kept.at < READING_MS) {
      kept.roomBytes -= bytes
      if (kept.roomBytes > AMPLE_BYTES) return
    }
    const at = this.#elapsed()
    const { database, packages } = await readDiskSpace(this.#places)
    const roomBytes = Math.min(
      database.freeBytes - database.reserveBytes,
      packages.freeBytes - packages.reserveBytes - bytes,
    )
    this.#reading = { at, roomBytes }
    if (roomBytes < 0)
      throw new DepotError(
        'storage_full',
        `there is no room for ${what}: ${-roomBytes} more bytes must be free on the disk of the depot; nothing was stored`,
      )
  }
}
