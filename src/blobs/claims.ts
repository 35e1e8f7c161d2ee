import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sync } from './sync.ts'

/** The path of a blob: `ab/abcdef…`. */
export function blobPath(folder: string, checksum: string): string {
  return join(folder, checksum.slice(0, 2), checksum)
}

/** Creates and removes blobs. A store has exactly one, shared by all threads. */
export interface Claims {
  /**
   * Makes the file at `spooled` a blob, durably, and claims it. Replaces an existing file, which may be damaged. The
   * caller calls `release` once for each call that resolves. A call that rejects leaves the store unchanged.
   */
  keep(spooled: string, checksum: string): Promise<void>
  /** Ends a claim. Removes the bytes if no other upload claims them and no row needs them. */
  release(checksum: string): Promise<void>
  /** Removes bytes that no row needs. If an upload claims them, its `release` removes them instead. */
  forget(checksum: string): Promise<void>
}

/**
 * Claims in memory. An upload claims its blob until its row is committed or refused, so that a failing upload cannot
 * remove bytes that another upload of the same file needs.
 */
export class ClaimsInMemory implements Claims {
  readonly #folder: string
  readonly #isNeeded: (checksum: string) => Promise<boolean>
  readonly #claims = new Map<string, number>()
  readonly #busy = new Map<string, Promise<unknown>>()

  /** `isNeeded` returns whether a row refers to a blob. */
  constructor(folder: string, isNeeded: (checksum: string) => Promise<boolean>) {
    this.#folder = folder
    this.#isNeeded = isNeeded
  }

  async keep(spooled: string, checksum: string): Promise<void> {
    await this.alone(checksum, async () => {
      const path = blobPath(this.#folder, checksum)
      await sync(spooled)
      await makeFolderOf(path)
      try {
        await rename(spooled, path)
        await sync(dirname(path))
        await sync(this.#folder)
      } catch (error) {
        if (!this.#claims.has(checksum)) await this.#remove(checksum).catch(() => undefined) // or it is collected
        throw error
      }
      this.#claims.set(checksum, (this.#claims.get(checksum) ?? 0) + 1)
    })
  }

  async release(checksum: string): Promise<void> {
    await this.alone(checksum, async () => {
      const claims = (this.#claims.get(checksum) ?? 1) - 1
      if (claims > 0) {
        this.#claims.set(checksum, claims)
        return
      }
      this.#claims.delete(checksum)
      await this.#remove(checksum)
    })
  }

  async forget(checksum: string): Promise<void> {
    await this.alone(checksum, async () => {
      if (!this.#claims.has(checksum)) await this.#remove(checksum)
    })
  }

  async #remove(checksum: string): Promise<void> {
    if (!(await this.#isNeeded(checksum))) await rm(blobPath(this.#folder, checksum), { force: true })
  }

  /** Runs operations on one blob in sequence: while `act` runs, nothing creates, replaces or removes the blob. */
  async alone<T>(checksum: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#busy.get(checksum) ?? Promise.resolve()).then(act, act)
    this.#busy.set(checksum, turn)
    try {
      return await turn
    } finally {
      if (this.#busy.get(checksum) === turn) this.#busy.delete(checksum)
    }
  }
}

/** Creates only the last folder, so that a store that was removed while the depot runs is not created again. */
async function makeFolderOf(path: string): Promise<void> {
  await mkdir(dirname(path)).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
}
