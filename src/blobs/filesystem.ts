import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { ClaimsInMemory, blobPath } from './claims.ts'
import type { Claims } from './claims.ts'
import { FileStream } from './file-stream.ts'

/** A file that is being received; nobody else sees it. */
export interface SpoolFile {
  readonly path: string
  /** Makes the file. The caller writes and closes it and, by {@link FilesystemBlobs.discard}, is rid of it. */
  create(): Promise<FileHandle>
}

/** Bytes by the BLAKE2b-256 of their whole. A blob appears whole and durable or not at all. */
export class FilesystemBlobs {
  /** For threads that {@link join}. */
  readonly claims: Claims
  readonly #folder: string
  readonly #writer: string

  private constructor(folder: string, claims: Claims, writer: string) {
    this.#folder = folder
    this.#writer = writer
    this.claims = claims
  }

  /** Opens the store, and empties the spool of what a crash left. `isNeeded` says whether a row points to a blob. */
  static async open(folder: string, isNeeded: (checksum: string) => Promise<boolean>): Promise<FilesystemBlobs> {
    await rm(spoolOf(folder), { recursive: true, force: true })
    await mkdir(spoolOf(folder), { recursive: true })
    return new FilesystemBlobs(folder, new ClaimsInMemory(folder, isNeeded), 'own')
  }

  /** A store that another thread opened, which has the claims, and {@link sweep}s when this one dies. `writer` names this one, in letters and digits. */
  static join(folder: string, claims: Claims, writer: string): FilesystemBlobs {
    return new FilesystemBlobs(folder, claims, writer)
  }

  /** Takes away what a writer that is gone was receiving. */
  async sweep(writer: string): Promise<void> {
    const left = (await readdir(spoolOf(this.#folder))).filter((name) => name.startsWith(`${writer}.`))
    await Promise.all(left.map((name) => rm(join(spoolOf(this.#folder), name), { force: true })))
  }

  spool(): SpoolFile {
    const path = join(spoolOf(this.#folder), `${this.#writer}.${randomUUID()}`)
    return { path, create: () => open(path, 'wx') }
  }

  async discard(file: SpoolFile): Promise<void> {
    await rm(file.path, { force: true })
  }

  /** As {@link Claims.keep}. */
  keep(file: SpoolFile, checksum: string): Promise<void> {
    return this.claims.keep(file.path, checksum)
  }

  /** As {@link Claims.release}. */
  release(checksum: string): Promise<void> {
    return this.claims.release(checksum)
  }

  /** As {@link Claims.forget}. */
  forget(checksum: string): Promise<void> {
    return this.claims.forget(checksum)
  }

  /** Bytes `start` to `end`, both included, in large pieces. The reader of the stream closes it. */
  read(checksum: string, range: { start: number; end: number }): FileStream {
    return new FileStream(blobPath(this.#folder, checksum), range)
  }

  /** In bytes; `undefined` when the blob is not there. */
  async size(checksum: string): Promise<number | undefined> {
    try {
      return (await stat(blobPath(this.#folder, checksum))).size
    } catch {
      return undefined
    }
  }
}

function spoolOf(folder: string): string {
  return join(folder, 'spool')
}
