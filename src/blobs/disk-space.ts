import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../config.ts'
import { DepotError } from '../errors.ts'

/** In bytes, of one file system. */
export interface DiskSpace {
  /** What a process without privileges may still write. */
  readonly freeBytes: number
  /** What uploads leave free, so that everything else can still be written: promotions, deletions, the log of the database. */
  readonly reserveBytes: number
}

const MOST_RESERVE_BYTES = 256 * 1024 * 1024
const RESERVE_SHARE = 0.01

type Places = Pick<Config, 'databaseFile' | 'blobFolder' | 'diskReserveBytes'>

/** What the disks of the database and of the packages have; often that is one disk. Rejects with the system's error. */
export async function readDiskSpace({
  databaseFile,
  blobFolder,
  diskReserveBytes,
}: Places): Promise<{ database: DiskSpace; packages: DiskSpace }> {
  const read = async (folder: string): Promise<DiskSpace> => {
    const { bavail, blocks, bsize } = await statfs(folder)
    return {
      freeBytes: bavail * bsize,
      reserveBytes:
        diskReserveBytes ?? Math.min(Math.floor(blocks * bsize * RESERVE_SHARE), MOST_RESERVE_BYTES),
    }
  }
  const [database, packages] = await Promise.all([read(dirname(databaseFile)), read(blobFolder)])
  return { database, packages }
}

/** Throws `storage_full` when `bytes` more of an upload would use what is reserved for other writes. `what` is uploaded. */
export async function expectRoom(
  places: Places,
  { bytes, what }: { bytes: number; what: string },
): Promise<void> {
  const { database, packages } = await readDiskSpace(places)
  const room = Math.min(
    database.freeBytes - database.reserveBytes,
    packages.freeBytes - packages.reserveBytes - bytes,
  )
  if (room < 0)
    throw new DepotError(
      'storage_full',
      `there is no room for ${what}: ${-room} bytes more must be free on the disk of the depot; nothing was kept`,
    )
}
