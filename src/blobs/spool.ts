import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, open as openCallback, write as writeCallback, writeFileSync } from 'node:fs'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { giveToOwner } from '../database/make-folder.ts'

const openDescriptor = promisify(openCallback)
const writeDescriptor = promisify(writeCallback)

/** A local file for bytes that are not yet verified. Only the thread that made it writes to it. */
export interface SpoolFile {
  /** Passed to the threads that hash or scan the file, and to `Claims.keep`. */
  readonly path: string
  /** Whether a method of this object has created the file. The file may have been moved since. */
  readonly isCreated: boolean
  /** Creates the file. The caller writes and closes it, and removes it with {@link Spool.discard}. */
  create(): Promise<FileHandle>
  /** Creates the file with `bytes`, which should be at most a few kilobytes. */
  createWith(bytes: Buffer): Promise<void>
  /** Creates the file with `bytes`, and blocks the calling thread meanwhile. */
  createNow(bytes: Buffer): void
}

/** A file that {@link Spool.list} found. */
export interface ListedFile {
  readonly name: string
  /** Changes when the file grows. */
  readonly version: string
}

/**
 * The folder of files that are being received. All threads share it. The names of one thread's files begin
 * with `threadName` and a dot, so the name has only letters and digits.
 */
export class Spool {
  /** The path of the spool. The free space of its disk limits uploads. */
  readonly folder: string
  readonly #threadName: string
  readonly #shared: string | undefined

  /** `shared` is the folder of the spools of all nodes, if several share it. */
  constructor(folder: string, threadName: string, shared?: string) {
    this.folder = folder
    this.#threadName = threadName
    this.#shared = shared
  }

  /**
   * Removes all files that a crash left, and creates the folder. Call it before any thread uses the spool.
   */
  async reset(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
    await mkdir(this.folder, { recursive: true })
    giveToOwner(this.folder)
  }

  /** Returns a file with a new name. The file does not exist yet. */
  newFile(): SpoolFile {
    return new NewFile(join(this.folder, `${this.#threadName}.${randomUUID()}`))
  }

  /**
   * Writes a stream to a new file, which the caller must discard. Reads the stream to its end or destroys it.
   */
  async copy(stream: Readable): Promise<SpoolFile> {
    const file = this.newFile()
    try {
      await pipeline(stream, (await file.create()).createWriteStream())
    } catch (error) {
      stream.destroy()
      await this.discard(file)
      throw error
    }
    return file
  }

  /** Removes a file, if it still exists. */
  async discard(file: SpoolFile): Promise<void> {
    // `Claims.keep` has usually moved the file. The system still has the name in its cache, so this check
    // reads nothing from the disk.
    if (file.isCreated && existsSync(file.path)) await rm(file.path, { force: true })
  }

  /** Removes the files of a thread that died. */
  async removeFilesOf(threadName: string): Promise<void> {
    const left = (await readdir(this.folder)).filter((name) => name.startsWith(`${threadName}.`))
    await Promise.all(left.map((name) => rm(join(this.folder, name), { force: true })))
  }

  /** Lists the files of all threads, also those of other nodes, some of which may never start again. */
  async list(): Promise<ListedFile[]> {
    const root = this.#root
    const files: ListedFile[] = []
    for (const name of await readdir(root, { recursive: this.#shared !== undefined })) {
      const found = await stat(join(root, name)).catch(() => undefined) // its upload may have removed it
      if (found?.isFile() === true) files.push({ name, version: `${found.size} ${found.mtimeMs}` })
    }
    return files
  }

  /** Removes a listed file, if it still exists. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#root, name), { force: true })
  }

  get #root(): string {
    return this.#shared ?? this.folder
  }
}

class NewFile implements SpoolFile {
  readonly path: string
  isCreated = false

  constructor(path: string) {
    this.path = path
  }

  create(): Promise<FileHandle> {
    this.isCreated = true
    return open(this.path, 'wx')
  }

  createWith(bytes: Buffer): Promise<void> {
    this.isCreated = true
    return createFile(this.path, bytes)
  }

  createNow(bytes: Buffer): void {
    this.isCreated = true
    writeFileSync(this.path, bytes, { flag: 'wx' })
  }
}

// A descriptor costs less than a FileHandle. closeSync does not wait for the disk, because closing flushes
// nothing.
async function createFile(path: string, bytes: Buffer): Promise<void> {
  const fd = await openDescriptor(path, 'wx')
  try {
    for (let written = 0; written < bytes.length;)
      written += (await writeDescriptor(fd, bytes, written)).bytesWritten
  } finally {
    closeSync(fd)
  }
}
