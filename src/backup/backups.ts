import { relative } from 'node:path'
import type { Config } from '../config/config.ts'
import { S3_FORM, isS3Url, parseS3Url } from '../config/s3-place.ts'
import { lockBackups } from '../depot/blob-hold.ts'
import { DepotError } from '../errors.ts'
import { FolderFiles } from './backup-files.ts'
import type { BackupFiles } from './backup-files.ts'
import { readChecksums } from './checksums.ts'
import { formatManifest, parseManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'

// Backups in a folder, or in S3 under the same names:
//
//   backups/20260101T020000.000Z/    one backup, named after the time of its database
//     depot.sqlite                   the database
//     secret.key                     only with --with-secret-key
//     CHECKSUMS                      the checksums of the database and of all blobs
//     manifest.json                  written last: without it, the backup is incomplete
//   blobs/ab/abcdef…                 the blobs of all backups, by checksum
//   lock.sqlite                      locked by the process that writes a backup; only in a folder

const ID = /^\d{8}T\d{6}\.\d{3}Z$/

/** The names of the files of a backup. */
const FILES = { database: 'depot.sqlite', secretKey: 'secret.key', checksums: 'CHECKSUMS' } as const

/** Backups that are open for reading or writing. The caller must close them. */
export class Backups {
  readonly #files: BackupFiles

  private constructor(files: BackupFiles) {
    this.#files = files
  }

  /**
   * Opens a folder or an S3 URL to write a backup, and creates what is missing. Removes what an interrupted
   * backup left, but not its blobs, so that the next backup need not copy them again. Throws `data_in_use` if
   * another process writes or reads there, `invalid_request` for a folder that has other contents, and the
   * errors of {@link BucketFiles}.
   */
  static async openForWriting(
    place: string,
    config: Pick<Config, 'dataFolder' | 'database' | 's3'>,
  ): Promise<Backups> {
    const files = isS3Url(place)
      ? await openBucket(place, config, await lockBackups(config))
      : await FolderFiles.openForWriting(place)
    const opened = new Backups(files)
    try {
      for (const id of await opened.#ids())
        if ((await files.readManifest(id)) === undefined) await files.remove(id)
      return opened
    } catch (error) {
      opened.close()
      throw error
    }
  }

  /**
   * Opens a folder, also on a read-only disk, or an S3 URL to read backups. Until a folder is closed, nothing
   * in it is removed. Throws `not_found` if there are no backups, and `data_in_use` while one is written to
   * the folder.
   */
  static async openForReading(place: string, config: Pick<Config, 's3'>): Promise<Backups> {
    const files = isS3Url(place) ? await openBucket(place, config) : await FolderFiles.openForReading(place)
    return new Backups(files)
  }

  /** Lists the complete backups, the newest first, also while one is written. Throws `not_found`. */
  static async listIn(place: string, config: Pick<Config, 's3'>): Promise<Manifest[]> {
    const files = isS3Url(place) ? await openBucket(place, config) : await FolderFiles.openForListing(place)
    try {
      return await new Backups(files).list()
    } finally {
      files.close()
    }
  }

  /** A path or a URL, for messages. */
  get place(): string {
    return this.#files.place
  }

  /** The blobs of all backups. */
  get blobs(): BackupFiles['blobs'] {
    return this.#files.blobs
  }

  close(): void {
    this.#files.close()
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
        ? `there is no complete backup in ${this.place}`
        : `there is no complete backup ${id} in ${this.place}: hart-depot backup list ${this.place} lists them`,
    )
  }

  /**
   * Makes the folder of a backup. `at` is the present time in epoch milliseconds. Returns the backup's id.
   */
  async begin(at: number): Promise<string> {
    const id = new Date(at).toISOString().replaceAll(/[-:]/g, '')
    return (await this.#files.begin(id)) ? id : this.begin(at + 1)
  }

  /** Completes a backup whose files and blobs are synced. */
  async finish(manifest: Omit<Manifest, 'format'>): Promise<void> {
    await this.#files.complete(manifest.id, formatManifest(manifest))
  }

  /** Removes an incomplete backup, without its blobs. */
  async abandon(id: string): Promise<void> {
    await this.#files.remove(id)
  }

  /**
   * Returns the path at which a file of a new backup is written, and read until the backup is finished.
   */
  fileOf(id: string, file: keyof typeof FILES): string {
    return this.#files.pathOf(id, FILES[file])
  }

  /** Resolves with the path of a file of a complete backup, or of a copy of it. */
  fetch(id: string, file: keyof typeof FILES): Promise<string> {
    return this.#files.fetch(id, FILES[file])
  }

  /** Returns the path of a blob relative to the folder of a backup. */
  blobPathFrom(id: string, checksum: string): string {
    return relative(`/backups/${id}`, `/blobs/${checksum.slice(0, 2)}/${checksum}`)
  }

  /**
   * Removes all but the newest `count` backups, and the blobs that none of these needs. The backups must be
   * open for writing. Throws `invalid_request` before anything is removed if the file CHECKSUMS of a kept
   * backup is damaged.
   */
  async keep(count: number): Promise<{ removed: readonly string[]; blobs: number }> {
    const manifests = await this.list()
    const kept = manifests.slice(0, count)
    const needed = new Set<string>()
    for (const { id, checksums } of kept)
      for await (const { checksum } of readChecksums(await this.fetch(id, 'checksums'), checksums))
        needed.add(checksum)
    const removed = manifests.slice(count).map(({ id }) => id)
    for (const id of removed) await this.#files.remove(id)
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
    return (await this.#files.ids()).filter((name) => ID.test(name)).toSorted()
  }

  /** Reads the manifest of a backup, if the backup is complete. */
  async #find(id: string): Promise<Manifest | undefined> {
    const text = ID.test(id) ? await this.#files.readManifest(id) : undefined
    return text === undefined ? undefined : parseManifest(text, `the manifest of ${id} in ${this.place}`)
  }
}

/** Opens the backups at an S3 URL. Loads the code of S3 only for S3. */
async function openBucket(
  url: string,
  { s3 }: Pick<Config, 's3'>,
  lock?: { close(): void },
): Promise<BackupFiles> {
  try {
    const place = parseS3Url(url)
    if (place === undefined) throw new DepotError('invalid_request', `${url} must be ${S3_FORM}`)
    const { BucketFiles } = await import('./bucket-files.ts')
    return await BucketFiles.open({ ...s3, ...place }, lock)
  } catch (error) {
    lock?.close()
    throw error
  }
}
