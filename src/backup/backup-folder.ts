import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { openBackupStorage } from '../blobs/open.ts'
import type { Blobs } from '../blobs/open.ts'
import { sync } from '../blobs/sync.ts'
import { holdData, lockData } from '../database/engine.ts'
import { makeFolder } from '../database/make-folder.ts'
import { DepotError } from '../errors.ts'
import { readChecksums } from './checksums.ts'
import { formatManifest, parseManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'

// A folder of backups:
//
//   backups/20260101T020000.000Z/    one backup, named after the time of its database
//     depot.sqlite                   the database
//     secret.key                     only with --with-secret-key
//     CHECKSUMS                      the checksums of the database and of all blobs
//     manifest.json                  written last: without it, the backup is incomplete
//   blobs/ab/abcdef…                 the blobs of all backups, by checksum
//   lock.sqlite                      locked by the process that writes a backup

const BACKUPS = 'backups'
const LOCK = 'lock.sqlite'
const MANIFEST = 'manifest.json'
const ID = /^\d{8}T\d{6}\.\d{3}Z$/

/** The names of the files of a backup. */
const FILES = { database: 'depot.sqlite', secretKey: 'secret.key', checksums: 'CHECKSUMS' } as const

/** A folder of backups that is open for reading or writing. The caller must close it. */
export class BackupFolder {
  readonly folder: string
  readonly blobs: Pick<Blobs, 'storage' | 'spool'>
  readonly #lock: { close(): void } | undefined

  private constructor(folder: string, blobs: BackupFolder['blobs'], lock: { close(): void } | undefined) {
    this.folder = folder
    this.blobs = blobs
    this.#lock = lock
  }

  /**
   * Opens a folder to write a backup, and creates what is missing. Removes what an interrupted backup left,
   * but not its blobs, so that the next backup need not copy them again. Throws `data_in_use` if another
   * process uses the folder, and `invalid_request` for a folder that has other contents.
   */
  static async openForWriting(folder: string): Promise<BackupFolder> {
    await makeFolder(folder, 'the backup')
    const found = (await readdir(folder)).filter((name) => name !== 'lost+found')
    if (found.length > 0 && !found.includes(BACKUPS))
      throw new DepotError(
        'invalid_request',
        `${folder} is not empty, and it is not a folder of backups: name a new or empty folder`,
      )
    await mkdir(join(folder, BACKUPS), { recursive: true })
    const lock = lockOf(folder, lockData)
    try {
      const opened = new BackupFolder(folder, await openBackupStorage(folder, { isWritten: true }), lock)
      for (const id of await opened.#ids())
        if (!opened.#isComplete(id)) await rm(opened.#folderOf(id), { recursive: true, force: true })
      return opened
    } catch (error) {
      lock.close()
      throw error
    }
  }

  /**
   * Opens a folder to read backups, also on a read-only disk. Until it is closed, nothing in it is removed.
   * Throws `not_found` if it is not a folder of backups, and `data_in_use` while a backup is written.
   */
  static async openForReading(folder: string): Promise<BackupFolder> {
    expectBackups(folder)
    const lock = existsSync(join(folder, LOCK))
      ? lockOf(folder, (file) => holdData(file, { mustExist: true }))
      : undefined
    return new BackupFolder(folder, await openBackupStorage(folder, { isWritten: false }), lock)
  }

  /** Lists the complete backups in a folder, the newest first, also while one is written. */
  static async listIn(folder: string): Promise<Manifest[]> {
    expectBackups(folder)
    return new BackupFolder(folder, await openBackupStorage(folder, { isWritten: false }), undefined).list()
  }

  close(): void {
    this.#lock?.close()
  }

  /** Lists the complete backups, the newest first. */
  async list(): Promise<Manifest[]> {
    const ids = (await this.#ids()).toReversed()
    return (await Promise.all(ids.map((id) => this.#find(id)))).filter((found) => found !== undefined)
  }

  /** Returns the backup with this id, or the newest one. Throws `not_found`. */
  async get(id?: string): Promise<Manifest> {
    const found = id === undefined ? (await this.list())[0] : await this.#find(id)
    if (found !== undefined) return found
    throw new DepotError(
      'not_found',
      id === undefined
        ? `there is no complete backup in ${this.folder}`
        : `there is no complete backup ${id} in ${this.folder}: hart-depot backup list ${this.folder} lists them`,
    )
  }

  /**
   * Makes the folder of a backup. `at` is the present time in epoch milliseconds. Returns the backup's id.
   */
  async begin(at: number): Promise<string> {
    const id = new Date(at).toISOString().replaceAll(/[-:]/g, '')
    if (existsSync(this.#folderOf(id))) return this.begin(at + 1)
    await mkdir(this.#folderOf(id))
    return id
  }

  /** Completes a backup whose files and blobs are synced. */
  async finish(manifest: Omit<Manifest, 'format'>): Promise<void> {
    const folder = this.#folderOf(manifest.id)
    const path = join(folder, MANIFEST)
    await writeFile(`${path}.new`, formatManifest(manifest), { flush: true })
    await sync(dirname(folder)) // the entry of the backup's folder
    await rename(`${path}.new`, path)
    await sync(folder)
  }

  /** Removes an incomplete backup, without its blobs. */
  async abandon(id: string): Promise<void> {
    await rm(this.#folderOf(id), { recursive: true, force: true })
  }

  /** Returns the path of a file of a backup. */
  fileOf(id: string, file: keyof typeof FILES): string {
    return join(this.#folderOf(id), FILES[file])
  }

  /** Returns the path of a blob relative to the folder of a backup. */
  blobPathFrom(id: string, checksum: string): string {
    return relative(this.#folderOf(id), this.blobs.storage.placeOf(checksum))
  }

  /**
   * Removes all but the newest `count` backups, and the blobs that none of these needs. The folder must be
   * open for writing. Throws `invalid_request` before anything is removed if the file CHECKSUMS of a kept
   * backup is damaged.
   */
  async keep(count: number): Promise<{ removed: readonly string[]; blobs: number }> {
    const manifests = await this.list()
    const kept = manifests.slice(0, count)
    const needed = new Set<string>()
    for (const { id, checksums } of kept)
      for await (const { checksum } of readChecksums(this.fileOf(id, 'checksums'), checksums))
        needed.add(checksum)
    const removed = manifests.slice(count).map(({ id }) => id)
    for (const id of removed) {
      const folder = this.#folderOf(id)
      await rm(join(folder, MANIFEST)) // from now on, it is incomplete
      await sync(folder)
      await rm(folder, { recursive: true })
    }
    const { storage } = this.blobs
    let blobs = 0
    for await (const { checksums } of storage.list())
      for (const checksum of checksums.filter((each) => !needed.has(each))) {
        await storage.delete(checksum)
        blobs += 1
      }
    return { removed, blobs }
  }

  /** Returns the ids of all backups, also incomplete ones, the oldest first. */
  async #ids(): Promise<string[]> {
    return (await readdir(join(this.folder, BACKUPS))).filter((name) => ID.test(name)).toSorted()
  }

  /** Reads the manifest of a backup, if the backup is complete. */
  async #find(id: string): Promise<Manifest | undefined> {
    const place = join(this.#folderOf(id), MANIFEST)
    try {
      return ID.test(id) ? parseManifest(await readFile(place, 'utf8'), place) : undefined
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
  }

  #isComplete(id: string): boolean {
    return existsSync(join(this.#folderOf(id), MANIFEST))
  }

  #folderOf(id: string): string {
    return join(this.folder, BACKUPS, id)
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
