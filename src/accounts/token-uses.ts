/**
 * The maximum number of tokens whose uses are kept. Beyond it, the oldest one is dropped, and its uses are
 * not stored until its session is read again.
 */
const MAX_TOKENS = 20_000
/** A stored time is replaced only by one that is at least this much later. */
export const USE_RESOLUTION_MS = 10 * 60_000

export interface TokenUse {
  /** The last use of the token, in epoch milliseconds; 0 if it was never used in this thread. */
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
   * Stores the uses that are at least {@link USE_RESOLUTION_MS} newer than the stored ones or, with `all`,
   * every newer use. Rejects with the error of `store`; the next call tries again.
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
