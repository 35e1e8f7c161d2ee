import { chmod, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../config.ts'
import { lockData } from '../database/engine.ts'
import { makeFolder } from '../database/make-folder.ts'
import type { Claims } from './claims.ts'
import { DiskRoom } from './disk-space.ts'
import { FilesystemStorage } from './filesystem.ts'
import { Spool } from './spool.ts'
import type { BlobStorage } from './storage.ts'

/** The blobs of a depot, in the thread that opened them or in another one. */
export interface Blobs {
  readonly storage: BlobStorage
  readonly spool: Spool
  readonly room: DiskRoom
  /** Creates and removes blobs. */
  readonly claims: Claims
}

export interface OpenedStorage {
  readonly storage: BlobStorage
  readonly spool: Spool
  /** Folders that must stay where they are while the depot is open. */
  readonly watched: readonly string[]
  /** Releases the lock. */
  readonly close: () => void
}

type Places = Pick<Config, 'dataFolder' | 'blobFolder'>

const LOCK = 'lock.sqlite'
const SPOOL = 'spool'
const OWN = 'own'

/**
 * Opens the store of a depot for this process alone, creates what is missing, and removes what a crash left
 * in the spool. Call it after the data folder is locked. Throws `invalid_request` if the folder cannot be
 * used, and `data_in_use` if another depot uses it.
 */
export async function openStorage({ dataFolder, blobFolder }: Places): Promise<OpenedStorage> {
  await makeFolder(blobFolder, 'DEPOT_BLOBS')
  await makeFoldersPrivate(blobFolder)
  // Another data folder may have the same folder of blobs.
  const lock = dirname(blobFolder) === dataFolder ? undefined : lockData(join(blobFolder, LOCK))
  try {
    const spool = new Spool(join(blobFolder, SPOOL), OWN)
    await spool.reset()
    return { storage: storageOf({ blobFolder }), spool, watched: [blobFolder], close: () => lock?.close() }
  } catch (error) {
    lock?.close()
    throw error
  }
}

/**
 * Opens the blobs of a depot in a thread called `name`. The thread that opened the depot has the claims, and
 * sweeps the spool if `name` dies.
 */
export function joinBlobs(config: Config, claims: Claims, name: string): Blobs {
  const spool = new Spool(join(config.blobFolder, SPOOL), name)
  return { storage: storageOf(config), spool, room: new DiskRoom({ config, blobs: { spool } }), claims }
}

/** Returns the store that the settings name. Reading needs no lock. */
export function storageOf({ blobFolder }: Pick<Config, 'blobFolder'>): BlobStorage {
  return new FilesystemStorage(blobFolder)
}

/**
 * Makes the folders of earlier versions private. This protects their files, of which there may be a million,
 * without a change to each.
 */
async function makeFoldersPrivate(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name === SPOOL || /^[0-9a-f]{2}$/.test(name)) await chmod(join(folder, name), 0o700)
    else if (name === LOCK) await chmod(join(folder, name), 0o600)
}
