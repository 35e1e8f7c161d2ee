import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sync } from './sync.ts'

/** Where a blob is, or would be: `ab/abcdef…`. */
export function blobPath(folder: string, checksum: string): string {
  return join(folder, checksum.slice(0, 2), checksum)
}

/** What makes blobs, and takes them away: one thing for a store, however many threads work with it. */
export interface Claims {
  /**
   * Makes the file at `spooled` a blob, durably, and claims it. It takes the place of a file that is there: its bytes are known to be right,
   * and those may be damaged. Each that resolves is followed by one `release`; one that rejects leaves
   * the store as it was.
   */
  keep(spooled: string, checksum: string): Promise<void>
  /** Ends a claim. The bytes go when no other upload claims them and no row needs them. */
  release(checksum: string): Promise<void>
  /** Takes bytes away that no row needs, unless an upload claims them: then that upload sees to them. */
  forget(checksum: string): Promise<void>
}

/**
 * Claims in memory. An upload holds its blob by a claim until the row that needs it is committed or refused, so that one that fails
 * cannot take away bytes that another upload of the same file is about to point to.
 */
export class ClaimsInMemory implements Claims {
  readonly #folder: string
  readonly #isNeeded: (checksum: string) => Promise<boolean>
  readonly #claims = new Map<string, number>()
  readonly #busy = new Map<string, Promise<unknown>>()

  /** `isNeeded` says whether a row points to it. */
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

  /** Runs what concerns one blob one after another: while `act` runs, nothing makes the blob, replaces it or takes it away. */
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

/** Never the folders above it: a store that was removed under the depot is not made anew. */
async function makeFolderOf(path: string): Promise<void> {
  await mkdir(dirname(path)).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
}
