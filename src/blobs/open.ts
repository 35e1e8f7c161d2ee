import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { chmod, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { lockData } from '../database/engine.ts'
import { makeFolder } from '../database/make-folder.ts'
import type { Claims } from './claims.ts'
import { DiskRoom } from './disk-space.ts'
import { FilesystemStorage } from './filesystem.ts'
import { Spool } from './spool.ts'
import type { BlobStorage } from './storage.ts'

/** Access to the blobs of a depot from one of its threads. */
export interface Blobs {
  readonly storage: BlobStorage
  readonly spool: Spool
  readonly room: DiskRoom
  /** Everything that creates or removes blobs goes through the claims, not through `storage`. */
  readonly claims: Claims
}

export interface OpenedStorage {
  readonly storage: BlobStorage
  readonly spool: Spool
  /** Folders that must stay where they are while the depot is open. */
  readonly watched: readonly string[]
  /** Ends the threads of the store, and releases the lock. */
  readonly close: () => Promise<void>
}

type Places = Pick<Config, 'dataFolder' | 'blobFolder' | 'blobBucket'> & Partial<Pick<Config, 'database'>>

const ANSWER_MS = 3_000
const LOCK = 'lock.sqlite'
const SPOOL = 'spool'
/** The name that the thread that opens the depot has in the spool. */
const OPENING_THREAD = 'own'

/**
 * Opens the store of a depot, creates what is missing, and removes what a crash left in this process's spool.
 * Nodes of a depot on PostgreSQL may share the folder of blobs; otherwise it belongs to this process alone.
 * Call it after the data folder is locked. Throws `invalid_request` if the folder cannot be used, and
 * `data_in_use` if another depot uses it.
 */
export async function openStorage(places: Places): Promise<OpenedStorage> {
  const { dataFolder, blobFolder } = places
  await makeFolder(blobFolder, 'DEPOT_BLOBS')
  await makeFoldersPrivate(blobFolder)
  // Another data folder may use the same folder of blobs. In its usual place, the lock of the data folder is
  // enough.
  const isLocked = dirname(blobFolder) === dataFolder || isShared(places)
  const lock = isLocked ? undefined : lockData(join(blobFolder, LOCK))
  try {
    const spool = spoolOf(places, OPENING_THREAD)
    await spool.reset()
    const storage = await storageOf(places)
    const close = async (): Promise<void> => {
      await storage.close?.()
      lock?.close()
    }
    return { storage, spool, watched: [blobFolder], close }
  } catch (error) {
    lock?.close()
    throw error
  }
}

/**
 * Opens the blobs of a depot in a further thread called `name`. `claims` calls the thread that opened the
 * depot. If the further thread dies, the opening thread removes its files from the spool.
 */
export async function joinBlobs(config: Config, claims: Claims, name: string): Promise<Blobs> {
  const spool = spoolOf(config, name)
  return { storage: await storageOf(config), spool, room: new DiskRoom({ config, blobs: { spool } }), claims }
}

/** Reports whether other nodes use the folder of blobs, too. */
function isShared({ dataFolder, blobFolder, database }: Places): boolean {
  return database?.engine === 'postgres' && dirname(blobFolder) !== dataFolder
}

/**
 * Returns the files that this process receives. They are on the file system of the blobs. In a folder that
 * nodes share, each node has its own spool, which is the same after a restart.
 */
function spoolOf(places: Places, threadName: string): Spool {
  const { dataFolder, blobFolder } = places
  const folder = join(blobFolder, SPOOL)
  if (!isShared(places)) return new Spool(folder, threadName)
  const node = createHash('sha256').update(`${hostname()} ${dataFolder}`).digest('hex').slice(0, 16)
  return new Spool(join(folder, node), threadName, folder)
}

/** Opens the store that the settings name. Reading needs no lock. Loads the code of S3 only for S3. */
export async function storageOf({
  blobFolder,
  blobBucket,
}: Pick<Config, 'blobFolder' | 'blobBucket'>): Promise<BlobStorage> {
  if (blobBucket === undefined) return new FilesystemStorage(blobFolder)
  const { S3Storage } = await import('./s3/storage.ts')
  return new S3Storage(blobBucket)
}

/** Why a service that has the blobs cannot be used. */
export interface ServiceFault {
  /** A part of a sentence that names no place and no secret. */
  readonly reason: string
  /** Whether the cause is in the settings, or in what they name. */
  readonly isMisconfigured: boolean
}

/**
 * Asks the service that has the blobs whether it works, and waits a moment for the answer. Returns
 * `undefined` if it works.
 */
export async function findServiceFault(
  storage: BlobStorage,
  waitMs = ANSWER_MS,
): Promise<ServiceFault | undefined> {
  try {
    const isLate = await Promise.race([storage.check(), sleep(waitMs, true, { ref: false })])
    return isLate === true ? { reason: 'no answer came in time', isMisconfigured: false } : undefined
  } catch (error) {
    const { S3Fault } = await import('./s3/fault.ts')
    if (!(error instanceof S3Fault)) throw error
    return { reason: error.reason, isMisconfigured: error.kind === 'misconfigured' }
  }
}

/**
 * Opens the store of blobs in a folder of backups, which the caller has locked. With `isWritten`, creates
 * what is missing, and removes what a crash left in the spool.
 */
export async function openBackupStorage(
  folder: string,
  { isWritten }: { isWritten: boolean },
): Promise<Pick<Blobs, 'storage' | 'spool'>> {
  const places = { dataFolder: folder, blobFolder: join(folder, 'blobs') }
  if (isWritten) return openStorage(places)
  return {
    storage: await storageOf(places),
    spool: new Spool(join(places.blobFolder, SPOOL), OPENING_THREAD),
  }
}

/**
 * Returns the store for a process that replaces damaged blobs while a server may be running. A server that
 * starts meanwhile empties the spool, and the repair that is running then fails.
 */
export async function repairedStorage(
  config: Pick<Config, 'blobFolder' | 'blobBucket'>,
): Promise<Pick<Blobs, 'storage' | 'spool'>> {
  return { storage: await storageOf(config), spool: new Spool(join(config.blobFolder, SPOOL), 'repair') }
}

/**
 * Makes folders private that earlier versions made readable for others. This also protects the files in them,
 * of which there may be a million.
 */
async function makeFoldersPrivate(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name === SPOOL || /^[0-9a-f]{2}$/.test(name)) await chmod(join(folder, name), 0o700)
    else if (name === LOCK) await chmod(join(folder, name), 0o600)
}
