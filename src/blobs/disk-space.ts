import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../config/config.ts'
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

/** The parts of a depot that name the disks which uploads write to. */
interface Places {
  readonly config: Pick<Config, 'database' | 'diskReserveBytes'>
  readonly blobs: { readonly spool: Pick<Spool, 'folder'> }
}

/**
 * Reads the space on the disks of the database and of the packages, which are often one disk. The space for
 * packages is that of the spool's disk: every upload is spooled first, and a store in a folder is on the same
 * disk. Rejects with the system's error.
 */
export async function readDiskSpace({
  config,
  blobs: { spool },
}: Places): Promise<{ database: DiskSpace; packages: DiskSpace }> {
  const { diskReserveBytes } = config
  const read = async (folder: string): Promise<DiskSpace> => {
    const { bavail, blocks, bsize } = await statfs(folder)
    return {
      freeBytes: bavail * bsize,
      reserveBytes:
        diskReserveBytes ?? Math.min(Math.floor(blocks * bsize * RESERVE_SHARE), MAX_RESERVE_BYTES),
    }
  }
  // The disk of a server is not this machine's.
  const folder = config.database.engine === 'sqlite' ? dirname(config.database.file) : spool.folder
  const [database, packages] = await Promise.all([read(folder), read(spool.folder)])
  return { database, packages }
}

/** How long a reading of the disks is used, if there is ample room. */
const READING_MS = 1_000
/** More than uploads can write in that time. */
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
    const last = this.#reading
    if (last !== undefined && this.#elapsed() - last.at < READING_MS) {
      last.roomBytes -= bytes
      if (last.roomBytes > AMPLE_BYTES) return
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
