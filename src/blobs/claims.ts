import type { ThreadCalls } from '../threads/thread-calls.ts'
import type { BlobStorage } from './storage.ts'

/** `published` if the upload's row was committed; `unknown` if it was not, or may not have been. */
export type ClaimOutcome = 'published' | 'unknown'

/**
 * Keeps blobs from being removed while an upload needs them. A depot has one object of this kind, in the
 * thread that opened it; other threads call it.
 */
export interface Claims {
  /**
   * Stores a spooled file as a blob and claims the blob. With `bytes`, the file is not in the spool yet; see
   * {@link BlobStorage.put}. Replaces an existing blob, which may be damaged. The caller must call `release`
   * once for each call that resolves. A call that rejects removes the blob if nothing needs it.
   */
  keep(spoolPath: string, checksum: string, bytes?: Uint8Array): Promise<void>
  /**
   * Ends a claim. The last `release` of a blob removes the blob if no row needs it. It looks for a row only
   * in doubt: if a claim ended as `unknown`, or `forget` was called meanwhile.
   */
  release(checksum: string, outcome: ClaimOutcome): Promise<void>
  /** Removes a blob that no row needs. If uploads claim the blob, the last `release` removes it instead. */
  forget(checksum: string): Promise<void>
}

/** Keeps blobs that this process needs from being removed by others. See {@link BlobLocks}. */
export interface OtherProcesses {
  share(checksum: string): Promise<void>
  /** Returns whether the blob was kept all the time. */
  unshare(checksum: string): Promise<boolean>
  ifFree(checksum: string, act: (isStillFree: () => Promise<boolean>) => Promise<void>): Promise<void>
  /** Examines a needed blob that may have been removed, and records damage. Called without waiting. */
  onDoubt(checksum: string): void
}

/**
 * Claims in memory. An upload claims its blob until its row is committed or refused, so that a failing upload
 * cannot remove bytes that another upload of the same file needs.
 */
export class ClaimsInMemory implements Claims {
  readonly #storage: Pick<BlobStorage, 'put' | 'delete'>
  readonly #isNeeded: (checksum: string) => Promise<boolean>
  /** The claims of each blob: how many uploads have one, and whether the last must look for a row. */
  readonly #claims = new Map<string, { readonly count: number; readonly isDoubtful: boolean }>()
  readonly #others: OtherProcesses | undefined
  /** The last operation on each blob, while operations run or wait. */
  readonly #last = new Map<string, Promise<unknown>>()

  /** `isNeeded` reports whether a blob must stay, for example because a row refers to it. */
  constructor(
    storage: Pick<BlobStorage, 'put' | 'delete'>,
    isNeeded: (checksum: string) => Promise<boolean>,
    others?: OtherProcesses,
  ) {
    this.#others = others
    this.#storage = storage
    this.#isNeeded = isNeeded
  }

  async keep(spoolPath: string, checksum: string, bytes?: Uint8Array): Promise<void> {
    await this.exclusively(checksum, async () => {
      const isFirst = !this.#claims.has(checksum)
      if (isFirst) await this.#others?.share(checksum)
      try {
        await this.#storage.put(spoolPath, checksum, bytes)
      } catch (error) {
        if (isFirst) {
          await this.#others?.unshare(checksum)
          await this.#remove(checksum).catch(() => undefined) // if this fails, the collector removes it later
        }
        throw error
      }
      const { count = 0, isDoubtful = false } = this.#claims.get(checksum) ?? {}
      this.#claims.set(checksum, { count: count + 1, isDoubtful })
    })
  }

  async release(checksum: string, outcome: ClaimOutcome): Promise<void> {
    await this.exclusively(checksum, async () => {
      // If no claim of the blob is known, this counts as the end of its last claim, which is in doubt.
      const claim = this.#claims.get(checksum) ?? { count: 1, isDoubtful: true }
      const isDoubtful = claim.isDoubtful || outcome === 'unknown'
      if (claim.count > 1) {
        this.#claims.set(checksum, { count: claim.count - 1, isDoubtful })
        return
      }
      this.#claims.delete(checksum)
      const wasKept = (await this.#others?.unshare(checksum)) ?? true
      if (isDoubtful) await this.#remove(checksum)
      if (!wasKept) this.#others?.onDoubt(checksum)
    })
  }

  async forget(checksum: string): Promise<void> {
    await this.exclusively(checksum, async () => {
      const claim = this.#claims.get(checksum)
      if (claim === undefined) await this.#remove(checksum)
      else this.#claims.set(checksum, { ...claim, isDoubtful: true })
    })
  }

  /**
   * Like {@link exclusively}, and for all processes. Returns `undefined` without calling `act` if another
   * process needs the blob. `act` must ask `isStillFree` right before it relies on that.
   */
  async unlessElsewhere<T>(
    checksum: string,
    act: (isStillFree: () => Promise<boolean>) => Promise<T>,
  ): Promise<T | undefined> {
    return this.exclusively(checksum, async () => {
      if (this.#others === undefined) return act(async () => true)
      let result: T | undefined
      await this.#others.ifFree(checksum, async (isStillFree) => {
        result = await act(isStillFree)
      })
      return result
    })
  }

  async #remove(checksum: string): Promise<void> {
    const others = this.#others
    if (others === undefined) {
      if (!(await this.#isNeeded(checksum))) await this.#storage.delete(checksum)
      return
    }
    // If another process needs the blob, it removes the blob when it no longer does.
    await others.ifFree(checksum, async (isStillFree) => {
      if ((await this.#isNeeded(checksum)) || !(await isStillFree())) return
      await this.#storage.delete(checksum)
      // This process may have been stopped before the removal, for so long that an upload overtook it.
      if (await this.#isNeeded(checksum)) others.onDoubt(checksum)
    })
  }

  /**
   * Runs `act` while no other operation on the blob runs, so that nothing creates, replaces or removes the
   * blob meanwhile. Operations run in the order of their calls.
   */
  async exclusively<T>(checksum: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(checksum) ?? Promise.resolve()).then(act, act)
    this.#last.set(checksum, turn)
    try {
      return await turn
    } finally {
      if (this.#last.get(checksum) === turn) this.#last.delete(checksum)
    }
  }
}

/** Returns the claims of a depot for a thread that joined it and calls the one that opened it. */
export function claimsThrough(calls: ThreadCalls<{ readonly [Name in keyof Claims]: Claims[Name] }>): Claims {
  return {
    // A message with a view of a large buffer would copy the whole buffer, so the bytes are copied first.
    keep: (spoolPath, checksum, bytes) =>
      calls.call('keep', spoolPath, checksum, bytes && new Uint8Array(bytes)),
    release: (checksum, outcome) => calls.call('release', checksum, outcome),
    forget: (checksum) => calls.call('forget', checksum),
  }
}

/** Returns the claims that a joined thread calls. `isGone` reports whether that thread has died. */
export function claimsFor(claims: Claims, isGone: () => boolean): Claims {
  return {
    async keep(spoolPath, checksum, bytes) {
      await claims.keep(spoolPath, checksum, bytes)
      if (isGone()) await claims.release(checksum, 'unknown') // the thread died before it could use the claim
    },
    release: (checksum, outcome) => claims.release(checksum, outcome),
    forget: (checksum) => claims.forget(checksum),
  }
}
