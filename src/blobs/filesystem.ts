import { mkdir, open, readdir, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { ClaimsInMemory, blobPath } from './claims.ts'
import type { Claims } from './claims.ts'
import { look } from './damage.ts'
import type { Damage } from './damage.ts'
import { FileStream } from './file-stream.ts'

/** A file that is being received. Only its upload uses it. */
export interface SpoolFile {
  readonly path: string
  /** Creates the file. The caller writes, closes and, with {@link FilesystemBlobs.discard}, removes it. */
  create(): Promise<FileHandle>
}

/**
 * Bytes by the BLAKE2b-256 of their whole. A blob appears whole and durable or not at all. `Claimant` is {@link ClaimsInMemory} in the thread
 * that opened the store.
 */
export class FilesystemBlobs<Claimant extends Claims = Claims> {
  /** The claims, for threads that {@link join}. */
  readonly claims: Claimant
  readonly #folder: string
  readonly #writer: string

  private constructor(folder: string, claims: Claimant, writer: string) {
    this.#folder = folder
    this.#writer = writer
    this.claims = claims
  }

  /** Opens the store and removes files that a crash left in the spool. `isNeeded` returns whether a row refers to a blob. */
  static async open(
    folder: string,
    isNeeded: (checksum: string) => Promise<boolean>,
  ): Promise<FilesystemBlobs<ClaimsInMemory>> {
    await rm(spoolOf(folder), { recursive: true, force: true })
    await mkdir(spoolOf(folder), { recursive: true })
    return new FilesystemBlobs(folder, new ClaimsInMemory(folder, isNeeded), 'own')
  }

  /** A store that another thread opened, which has the claims, and {@link sweep}s when this one dies. `writer` names this one, in letters and digits. */
  static join(folder: string, claims: Claims, writer: string): FilesystemBlobs {
    return new FilesystemBlobs(folder, claims, writer)
  }

  /** Removes files that a dead writer was receiving. */
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

  /** Streams the bytes `start` through `end` in large pieces. The reader closes the stream. */
  read(checksum: string, range: { start: number; end: number }): FileStream {
    return new FileStream(blobPath(this.#folder, checksum), range)
  }

  /** What is wrong with a blob that should have so many bytes, as far as it can be told without reading it. As {@link look}. */
  async look(checksum: string, sizeBytes: number): Promise<Damage | undefined> {
    return (await look(blobPath(this.#folder, checksum), sizeBytes)).damage
  }
}

/** The folder of files that are being received. */
export function spoolOf(folder: string): string {
  return join(folder, 'spool')
}
