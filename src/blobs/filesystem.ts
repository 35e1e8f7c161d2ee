import { access, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { FileStream } from './file-stream.ts'
import { sync } from './sync.ts'

/** A file that is being received; nobody else sees it. */
export interface SpoolFile {
  readonly path: string
  /** Makes the file. The caller writes and closes it and, by {@link FilesystemBlobs.discard}, is rid of it. */
  create(): Promise<FileHandle>
}

/**
 * Bytes by the BLAKE2b-256 of their whole, in files `ab/abcdef…`. A blob appears whole and durable or not at all. An upload
 * holds its blob by a claim until the row that needs it is committed or refused, so that one that fails cannot take away bytes
 * that another upload of the same file is about to point to.
 */
export class FilesystemBlobs {
  readonly #folder: string
  readonly #spoolFolder: string
  readonly #claims = new Map<string, number>()
  readonly #busy = new Map<string, Promise<unknown>>()

  private constructor(folder: string, spoolFolder: string) {
    this.#folder = folder
    this.#spoolFolder = spoolFolder
  }

  /** Opens the store, and empties the spool of what a crash left. */
  static async open(folder: string): Promise<FilesystemBlobs> {
    const spoolFolder = join(folder, 'spool')
    await rm(spoolFolder, { recursive: true, force: true })
    await mkdir(spoolFolder, { recursive: true })
    return new FilesystemBlobs(folder, spoolFolder)
  }

  spool(): SpoolFile {
    const path = join(this.#spoolFolder, randomUUID())
    return { path, create: () => open(path, 'wx') }
  }

  async discard(file: SpoolFile): Promise<void> {
    await rm(file.path, { force: true })
  }

  /**
   * Makes a received file a blob, durably, and claims it. Each `keep` that resolves is followed by one `release`; one that rejects
   * leaves the store as it was.
   */
  async keep(file: SpoolFile, checksum: string): Promise<void> {
    await this.#alone(checksum, async () => {
      const path = this.#pathOf(checksum)
      let isMade = false
      try {
        if (!(await exists(path))) {
          await sync(file.path)
          await mkdir(dirname(path), { recursive: true })
          await rename(file.path, path)
          isMade = true
        }
        // Even where it is there already: a depot that was killed may have made it and not come to this.
        await sync(dirname(path))
        await sync(this.#folder)
      } catch (error) {
        if (isMade) await rm(path, { force: true })
        throw error
      }
      this.#claims.set(checksum, (this.#claims.get(checksum) ?? 0) + 1)
    })
  }

  /** Ends a claim. The bytes go when no other upload claims them and `isNeeded` says that no row does. */
  async release(checksum: string, isNeeded: () => Promise<boolean>): Promise<void> {
    await this.#alone(checksum, async () => {
      const claims = (this.#claims.get(checksum) ?? 1) - 1
      if (claims > 0) {
        this.#claims.set(checksum, claims)
        return
      }
      this.#claims.delete(checksum)
      if (!(await isNeeded())) await rm(this.#pathOf(checksum), { force: true })
    })
  }

  /** Takes bytes away that `isNeeded` says no row needs, unless an upload claims them: then that upload sees to them. */
  async forget(checksum: string, isNeeded: () => Promise<boolean>): Promise<void> {
    await this.#alone(checksum, async () => {
      if (!this.#claims.has(checksum) && !(await isNeeded())) await rm(this.#pathOf(checksum), { force: true })
    })
  }

  /** Bytes `start` to `end`, both included, in large pieces. The reader of the stream closes it. */
  read(checksum: string, range: { start: number; end: number }): FileStream {
    return new FileStream(this.#pathOf(checksum), range)
  }

  /** In bytes; `undefined` when the blob is not there. */
  async size(checksum: string): Promise<number | undefined> {
    try {
      return (await stat(this.#pathOf(checksum))).size
    } catch {
      return undefined
    }
  }

  #pathOf(checksum: string): string {
    return join(this.#folder, checksum.slice(0, 2), checksum)
  }

  /** Runs what concerns one blob one after another. */
  async #alone(checksum: string, act: () => Promise<void>): Promise<void> {
    const turn = (this.#busy.get(checksum) ?? Promise.resolve()).then(act, act)
    this.#busy.set(checksum, turn)
    try {
      await turn
    } finally {
      if (this.#busy.get(checksum) === turn) this.#busy.delete(checksum)
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
