import { close, closeSync, fstat, fstatSync, open, openSync, readSync, renameSync } from 'node:fs'
import { access, constants, mkdir, opendir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { giveToOwner } from '../database/make-folder.ts'
import { fileFault, sizeFault } from './file-fault.ts'
import { FileStream } from './file-stream.ts'
import type { BlobHead, BlobRef, BlobStorage, ByteRange, ListedPage, SpooledBlob } from './storage.ts'
import type { SmallFiles } from './small-files.ts'
import { FolderSyncs, sync, syncMany } from './sync.ts'

// Reads use descriptors, because each read of a FileHandle costs more.
const openFile = promisify(open)
const statFile = promisify(fstat)
const closeFile = promisify(close)

const FILES_IN_A_PAGE = 500
const FOLDER = /^[0-9a-f]{2}$/
const NAME = /^[0-9a-f]{64}$/

/**
 * Stores each blob as the file `ab/abcdef…` of a folder. A spooled file becomes a blob by a rename, so it
 * must be on the same file system. The folder must exist: a folder that was removed while the depot runs is
 * not created again.
 */
export class FilesystemStorage implements BlobStorage {
  readonly #folder: string
  readonly #syncs = new FolderSyncs()
  /** Loaded when the first small file comes. */
  #smallFiles: Promise<SmallFiles> | undefined
  /**
   * The folders `ab` that are known to exist, or are being made. They outlive a crash once the promise
   * resolves.
   */
  readonly #made = new Map<string, Promise<void>>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async put(spoolPath: string, checksum: string, bytes?: Uint8Array): Promise<void> {
    const path = this.placeOf(checksum)
    if (bytes !== undefined) {
      this.#smallFiles ??= import('./small-files.ts').then((loaded) => new loaded.SmallFiles())
      return (await this.#smallFiles).place({ spoolPath, path, bytes })
    }
    const folder = dirname(path)
    await sync(spoolPath)
    await this.#makeFolder(folder)
    await rename(spoolPath, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      this.#made.delete(folder) // it was removed
      await this.#makeFolder(folder)
      await rename(spoolPath, path)
    })
    await this.#syncs.sync(folder)
  }

  /**
   * In this order, so that a crash leaves no blob that is not whole: first the bytes of all files become
   * durable, then the files get their names, and then the entries of the folders become durable.
   */
  async putAll(files: readonly SpooledBlob[]): Promise<void> {
    if (files.length === 0) return
    await syncMany(files.map(({ spoolPath }) => spoolPath))
    const folders = [...new Set(files.map(({ checksum }) => dirname(this.placeOf(checksum))))]
    await Promise.all(folders.map((folder) => this.#makeFolder(folder)))
    for (const { spoolPath, checksum } of files) renameSync(spoolPath, this.placeOf(checksum))
    await syncMany(folders)
  }

  readNow({ checksum, sizeBytes }: BlobRef): Buffer {
    let fd: number | undefined
    try {
      fd = openSync(this.placeOf(checksum), 'r')
      const { size } = fstatSync(fd)
      if (size !== sizeBytes) throw sizeFault(checksum, { found: size, expected: sizeBytes })
      const bytes = Buffer.allocUnsafe(sizeBytes)
      for (let at = 0; at < sizeBytes;) {
        const read = readSync(fd, bytes, at, sizeBytes - at, at)
        if (read === 0) throw sizeFault(checksum, { found: at, expected: sizeBytes })
        at += read
      }
      return bytes
    } catch (error) {
      throw fileFault(checksum, error)
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  async open({ checksum, sizeBytes }: BlobRef, range?: ByteRange): Promise<FileStream> {
    const { start, end } = range ?? { start: 0, end: sizeBytes - 1 }
    const fd = await openFile(this.placeOf(checksum), 'r').catch((error: unknown) => {
      throw fileFault(checksum, error)
    })
    try {
      const { size } = await statFile(fd)
      if (size !== sizeBytes) throw sizeFault(checksum, { found: size, expected: sizeBytes })
    } catch (error) {
      await closeFile(fd)
      throw fileFault(checksum, error)
    }
    return new FileStream(fd, { checksum, start, end })
  }

  async head(checksum: string): Promise<BlobHead> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(this.placeOf(checksum), { bigint: true })
      return { sizeBytes: Number(size), version: [dev, ino, size, mtimeNs, ctimeNs].join(':') }
    } catch (error) {
      throw fileFault(checksum, error)
    }
  }

  async delete(checksum: string): Promise<void> {
    await rm(this.placeOf(checksum), { force: true })
  }

  async *list(): AsyncGenerator<ListedPage> {
    const folders = await readdir(this.#folder).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? [] : Promise.reject(error),
    )
    for (const folder of folders.filter((name) => FOLDER.test(name))) {
      let names: string[] = []
      for await (const { name } of await opendir(join(this.#folder, folder))) {
        names.push(name)
        if (names.length < FILES_IN_A_PAGE) continue
        yield await this.#page(folder, names)
        names = []
      }
      if (names.length > 0) yield await this.#page(folder, names)
    }
  }

  async #page(folder: string, names: readonly string[]): Promise<ListedPage> {
    const isBlob = (name: string) => NAME.test(name) && name.startsWith(folder)
    const others = names.filter((name) => !isBlob(name)).map((name) => join(this.#folder, folder, name))
    const found = await Promise.all(
      others.map(async (place) => {
        const stats = await stat(place).catch(() => undefined) // it may have vanished
        return stats === undefined ? [] : [{ place, sizeBytes: stats.size }]
      }),
    )
    return { checksums: names.filter(isBlob), others: found.flat() }
  }

  #makeFolder(folder: string): Promise<void> {
    const made = this.#made.get(folder) ?? this.#makeFolderNow(folder)
    this.#made.set(folder, made)
    return made
  }

  async #makeFolderNow(folder: string): Promise<void> {
    try {
      await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
      giveToOwner(folder)
      await this.#syncs.sync(this.#folder)
    } catch (error) {
      this.#made.delete(folder)
      throw error
    }
  }

  /** Interrupted puts leave nothing: a file is renamed, or is still in the spool. */
  async removeRemains(): Promise<void> {}

  async accelPath(checksum: string): Promise<string> {
    return `/${checksum.slice(0, 2)}/${checksum}`
  }

  placeOf(checksum: string): string {
    return join(this.#folder, checksum.slice(0, 2), checksum)
  }

  async check(): Promise<void> {
    await access(this.#folder, constants.W_OK)
  }

  async close(): Promise<void> {
    await (await this.#smallFiles)?.close()
  }
}
