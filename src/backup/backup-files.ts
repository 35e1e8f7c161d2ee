import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { openBackupStorage } from '../blobs/open.ts'
import type { Blobs } from '../blobs/open.ts'
import { sync } from '../blobs/sync.ts'
import { holdData, lockData } from '../database/engine.ts'
import { giveToOwner, makeFolder } from '../database/make-folder.ts'
import { DepotError } from '../errors.ts'

/** The folder that has a folder for each backup. */
export const BACKUPS = 'backups'
/** The file that is written last. */
export const MANIFEST = 'manifest.json'
const LOCK = 'lock.sqlite'

/** Where the files of backups are: in a folder, or in S3. The caller closes it. */
export interface BackupFiles {
  /** A path or a URL, for messages. */
  readonly place: string
  /** The blobs of all backups. */
  readonly blobs: Pick<Blobs, 'storage' | 'spool'>
  /** Lists the ids of all backups, also of incomplete ones, in no order. */
  ids(): Promise<string[]>
  /**
   * Reads the manifest of a backup. Resolves with `undefined` if the backup is incomplete or does not exist.
   */
  readManifest(id: string): Promise<string | undefined>
  /** Returns the path at which a file of a new backup is written, and read until the backup is complete. */
  pathOf(id: string, name: string): string
  /** Begins a backup. Resolves with `false` if there is one with this id. */
  begin(id: string): Promise<boolean>
  /** Completes a backup whose files are synced. Stores the manifest last. */
  complete(id: string, manifest: string): Promise<void>
  /** Resolves with the path of a copy of a file that can be read until {@link close}. */
  fetch(id: string, name: string): Promise<string>
  /** Removes a backup without its blobs. If it is interrupted, the backup is incomplete. */
  remove(id: string): Promise<void>
  close(): void
}

/** Backups in a folder. */
export class FolderFiles implements BackupFiles {
  readonly place: string
  readonly blobs: BackupFiles['blobs']
  readonly #lock: { close(): void } | undefined

  private constructor(place: string, blobs: BackupFiles['blobs'], lock?: { close(): void }) {
    this.place = place
    this.blobs = blobs
    this.#lock = lock
  }

  /**
   * Opens a folder to write a backup, and creates what is missing. Throws `data_in_use` if another process
   * uses the folder, and `invalid_request` for a folder that has other contents.
   */
  static async openForWriting(folder: string): Promise<FolderFiles> {
    await makeFolder(folder, 'the backup')
    const found = (await readdir(folder)).filter((name) => name !== 'lost+found')
    if (found.length > 0 && !found.includes(BACKUPS))
      throw new DepotError(
        'invalid_request',
        `${folder} is not empty, and it is not a folder of backups: name a new or empty folder`,
      )
    await mkdir(join(folder, BACKUPS), { recursive: true })
    giveToOwner(join(folder, BACKUPS))
    const lock = lockOf(folder, lockData)
    try {
      return new FolderFiles(folder, await openBackupStorage(folder, { isWritten: true }), lock)
    } catch (error) {
      lock.close()
      throw error
    }
  }

  /**
   * Opens a folder to read backups, also on a read-only disk. Until it is closed, nothing in it is removed.
   * Throws `not_found` if it is not a folder of backups, and `data_in_use` while a backup is written.
   */
  static async openForReading(folder: string): Promise<FolderFiles> {
    expectBackups(folder)
    const lock = existsSync(join(folder, LOCK))
      ? lockOf(folder, (file) => holdData(file, { mustExist: true }))
      : undefined
    return new FolderFiles(folder, await openBackupStorage(folder, { isWritten: false }), lock)
  }

  /** Opens a folder to list its backups, also while one is written. Throws `not_found`. */
  static async openForListing(folder: string): Promise<FolderFiles> {
    expectBackups(folder)
    return new FolderFiles(folder, await openBackupStorage(folder, { isWritten: false }))
  }

  ids(): Promise<string[]> {
    return readdir(join(this.place, BACKUPS))
  }

  async readManifest(id: string): Promise<string | undefined> {
    try {
      return await readFile(this.pathOf(id, MANIFEST), 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  pathOf(id: string, name: string): string {
    return join(this.#folderOf(id), name)
  }

  async begin(id: string): Promise<boolean> {
    if (existsSync(this.#folderOf(id))) return false
    await mkdir(this.#folderOf(id))
    giveToOwner(this.#folderOf(id))
    return true
  }

  async complete(id: string, manifest: string): Promise<void> {
    const path = this.pathOf(id, MANIFEST)
    await writeFile(`${path}.new`, manifest, { flush: true })
    for (const name of await readdir(this.#folderOf(id))) giveToOwner(this.pathOf(id, name))
    await sync(dirname(this.#folderOf(id))) // the entry of the backup's folder
    await rename(`${path}.new`, path)
    await sync(this.#folderOf(id))
  }

  async fetch(id: string, name: string): Promise<string> {
    return this.pathOf(id, name)
  }

  async remove(id: string): Promise<void> {
    const folder = this.#folderOf(id)
    await rm(join(folder, MANIFEST), { force: true })
    if (existsSync(folder)) await sync(folder)
    await rm(folder, { recursive: true, force: true })
  }

  close(): void {
    this.#lock?.close()
  }

  #folderOf(id: string): string {
    return join(this.place, BACKUPS, id)
  }
}

function expectBackups(folder: string): void {
  if (!existsSync(join(folder, BACKUPS)))
    throw new DepotError('not_found', `there are no backups in ${folder}`)
}

/** Takes the lock of a folder. Throws `data_in_use` if another process has it. */
function lockOf(folder: string, open: (file: string) => { close(): void }): { close(): void } {
  try {
    return open(join(folder, LOCK))
  } catch (error) {
    if (!(error instanceof DepotError && error.code === 'data_in_use')) throw error
    throw new DepotError('data_in_use', `another process uses the backups in ${folder}: try again later`, {
      cause: error,
    })
  }
}
