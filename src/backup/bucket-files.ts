import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { S3Objects } from '../blobs/s3/objects.ts'
import { S3Storage } from '../blobs/s3/storage.ts'
import { Spool } from '../blobs/spool.ts'
import { formatS3Url } from '../config/s3-place.ts'
import type { S3Place } from '../config/s3-place.ts'
import { DepotError } from '../errors.ts'
import { BACKUPS, MANIFEST } from './backup-files.ts'
import type { BackupFiles } from './backup-files.ts'

/**
 * Backups in S3, under the same names as in a folder. Files are written to and read from a temporary folder.
 * S3 has no locks, so the caller must make sure that one process writes at a time. All methods throw
 * {@link S3Fault}.
 */
export class BucketFiles implements BackupFiles {
  readonly place: string
  readonly blobs: BackupFiles['blobs']
  readonly #objects: S3Objects
  /** A temporary folder, with a folder for each backup. */
  readonly #folder: string
  readonly #lock: { close(): void } | undefined

  private constructor(place: S3Place, folder: string, lock: { close(): void } | undefined) {
    const spool = new Spool(join(folder, 'spool'), 'backup')
    this.place = formatS3Url(place)
    this.blobs = { storage: new S3Storage({ ...place, prefix: `${place.prefix}blobs/` }), spool }
    this.#objects = new S3Objects(place)
    this.#folder = folder
    this.#lock = lock
  }

  /** Opens the backups of a place, which may have none yet. Releases the lock when it is closed. */
  static async open(place: S3Place, lock?: { close(): void }): Promise<BucketFiles> {
    const opened = new BucketFiles(place, await mkdtemp(join(tmpdir(), 'hart-depot-backup-')), lock)
    try {
      await opened.blobs.spool.reset()
      await opened.#objects.check(0)
      return opened
    } catch (error) {
      opened.close()
      throw error
    }
  }

  async ids(): Promise<string[]> {
    const ids = new Set<string>()
    for await (const page of this.#objects.list(`${BACKUPS}/`))
      for (const { name } of page) ids.add(name.split('/')[1] ?? '')
    return [...ids]
  }

  async readManifest(id: string): Promise<string | undefined> {
    const path = await this.#download(id, MANIFEST)
    return path === undefined ? undefined : readFile(path, 'utf8')
  }

  pathOf(id: string, name: string): string {
    return join(this.#folder, id, name)
  }

  async begin(id: string): Promise<boolean> {
    if ((await this.ids()).includes(id)) return false
    await mkdir(join(this.#folder, id))
    return true
  }

  async complete(id: string, manifest: string): Promise<void> {
    const names = await readdir(join(this.#folder, id))
    await writeFile(this.pathOf(id, MANIFEST), manifest)
    for (const name of [...names, MANIFEST]) await this.#objects.put(this.pathOf(id, name), nameOf(id, name))
  }

  async fetch(id: string, name: string): Promise<string> {
    const path = await this.#download(id, name)
    if (path !== undefined) return path
    throw new DepotError(
      'invalid_request',
      `${this.place}/${nameOf(id, name)} is missing: take another backup`,
    )
  }

  async remove(id: string): Promise<void> {
    await this.#objects.delete(nameOf(id, MANIFEST))
    for await (const page of this.#objects.list(`${BACKUPS}/${id}/`))
      for (const { name } of page) await this.#objects.delete(name)
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
    this.#lock?.close()
  }

  /** Copies a file of a backup to the temporary folder. Returns `undefined` if there is none. */
  async #download(id: string, name: string): Promise<string | undefined> {
    await mkdir(join(this.#folder, id), { recursive: true })
    const path = this.pathOf(id, name)
    return (await this.#objects.download(nameOf(id, name), path)) ? path : undefined
  }
}

function nameOf(id: string, name: string): string {
  return `${BACKUPS}/${id}/${name}`
}
