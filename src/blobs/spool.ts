import { randomUUID } from 'node:crypto'
import {
  closeSync,
  createWriteStream,
  existsSync,
  open as openDescriptor,
  write as writeDescriptor,
} from 'node:fs'
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'

const openFile = promisify(openDescriptor)
const write = promisify(writeDescriptor)

/** A local file for bytes that are not yet verified. Only its creator uses it. */
export interface SpoolFile {
  /** Passed to the threads that hash or scan the file, and to `Claims.keep`. */
  readonly path: string
  /** Creates the file. The caller writes and closes it, and removes it with {@link Spool.discard}. */
  create(): Promise<FileHandle>
  /** Creates the file with `bytes`, which should be at most a few kilobytes. */
  write(bytes: Buffer): Promise<void>
}

/** A file that {@link Spool.list} found. */
export interface ListedFile {
  readonly name: string
  /** Changes when the file grows. */
  readonly version: string
}

/**
 * The folder of files that are being received, shared by all threads. `threadName` begins the names of this
 * thread's files. It has only letters and digits, because a dot ends it.
 */
export class Spool {
  /** Where it is, so that its disk can be measured. */
  readonly folder: string
  readonly #threadName: string

  constructor(folder: string, threadName: string) {
    this.folder = folder
    this.#threadName = threadName
  }

  /**
   * Removes the files that a crash left, and creates the folder. Call it before any thread uses the spool.
   */
  async empty(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
    await mkdir(this.folder, { recursive: true })
  }

  /** Returns a file with a new name. The file does not exist yet. */
  newFile(): SpoolFile {
    const path = join(this.folder, `${this.#threadName}.${randomUUID()}`)
    return { path, create: () => open(path, 'wx'), write: (bytes) => writeNew(path, bytes) }
  }

  /** Writes a stream to a new file, which the caller discards. Reads the stream to its end or destroys it. */
  async copy(stream: Readable): Promise<SpoolFile> {
    const file = this.newFile()
    try {
      await pipeline(stream, createWriteStream(file.path, { flags: 'wx' }))
    } catch (error) {
      await this.discard(file)
      throw error
    }
    return file
  }

  /** Removes a file, if it still exists. */
  async discard(file: SpoolFile): Promise<void> {
    // `Claims.keep` has usually moved the file. The system still has the name in its cache, so this check
    // reads nothing from the disk.
    if (existsSync(file.path)) await rm(file.path, { force: true })
  }

  /** Removes the files of a thread that died. */
  async removeAll(threadName: string): Promise<void> {
    const left = (await readdir(this.folder)).filter((name) => name.startsWith(`${threadName}.`))
    await Promise.all(left.map((name) => this.remove(name)))
  }

  /** Lists the files of all threads. */
  async list(): Promise<ListedFile[]> {
    const files: ListedFile[] = []
    for (const name of await readdir(this.folder)) {
      const found = await stat(join(this.folder, name)).catch(() => undefined) // its upload may have removed it
      if (found !== undefined) files.push({ name, version: `${found.size} ${found.mtimeMs}` })
    }
    return files
  }

  /** Removes a listed file, if it still exists. */
  async remove(name: string): Promise<void> {
    await rm(join(this.folder, name), { force: true })
  }
}

// A descriptor costs less than a FileHandle. closeSync does not wait for the disk, because closing flushes
// nothing.
async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const fd = await openFile(path, 'wx')
  try {
    for (let written = 0; written < bytes.length;) written += (await write(fd, bytes, written)).bytesWritten
  } finally {
    closeSync(fd)
  }
}
