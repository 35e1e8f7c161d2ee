/**
 * The most tokens whose use is remembered. More tokens are noted again when their sessions are read again.
 */
const MAX_TOKENS = 20_000
/** A stored time is replaced only when it is this much older. */
export const USE_RESOLUTION_MS = 10 * 60_000

/** The last use of a token, in epoch milliseconds; 0 if it was never used in this thread. */
export interface TokenUse {
  at: number
}

interface StoredUse extends TokenUse {
  /** The use that is in the database, as far as this thread knows. */
  storedAt: number
}

/**
 * When the tokens of one thread were last used. A request only sets the time of its token's {@link TokenUse}.
 * The times are stored from here later and together, so that no request writes.
 */
export class TokenUses {
  readonly #uses = new Map<number, StoredUse>()

  /** Returns the object in which the uses of a token are noted. */
  of(tokenId: number): TokenUse {
    const known = this.#uses.get(tokenId)
    if (known !== undefined) return known
    const [oldest] = this.#uses.keys()
    if (oldest !== undefined && this.#uses.size >= MAX_TOKENS) this.#uses.delete(oldest)
    const use = { at: 0, storedAt: 0 }
    this.#uses.set(tokenId, use)
    return use
  }

  /** Returns the last use in this thread; `undefined` if there is none. */
  lastUseOf(tokenId: number): number | undefined {
    const at = this.#uses.get(tokenId)?.at
    return at === 0 ? undefined : at
  }

  /**
   * Stores the uses that are newer than the stored ones by the resolution, or all newer ones. What `store`
   * rejects with is thrown, and the next call tries again.
   */
  async flush(
    store: (uses: readonly { tokenId: number; at: number }[]) => Promise<unknown>,
    { all }: { all: boolean },
  ): Promise<void> {
    const newerBy = all ? 1 : USE_RESOLUTION_MS
    const due = [...this.#uses].filter(([, { at, storedAt }]) => at - storedAt >= newerBy)
    if (due.length === 0) return
    const uses = due.map(([tokenId, { at }]) => ({ tokenId, at }))
    await store(uses)
    for (const [index, [, use]] of due.entries()) use.storedAt = uses[index]?.at ?? use.storedAt
  }
}
