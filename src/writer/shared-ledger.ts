import type { Db, Writing } from '../database/database.ts'
import { isCollision, isConnectionLost } from '../database/errors.ts'
import { findStates } from '../database/state-store.ts'
import { begin } from '../database/transaction.ts'
import type { OpenTransaction } from '../database/transaction.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { findHash, findHead, listEntries } from '../ledger/ledger-store.ts'

/** What a writer must know of the database before a batch. */
export interface LedgerEnd {
  readonly head: LedgerHead
  /** Since when the clock is behind commit times. */
  readonly setBackAt: number | undefined
  /** Why the depot accepts no changes (commands/set-moving.ts). */
  readonly moving: string | undefined
}

export async function readLedgerEnd(db: Db): Promise<LedgerEnd> {
  const [head, { clock_set_back_at: setBackAt, moving }] = await Promise.all([
    findHead(db),
    findStates(db, ['clock_set_back_at', 'moving']),
  ])
  return {
    head,
    setBackAt: setBackAt === undefined ? undefined : Number(setBackAt),
    moving,
  }
}

/** How often a batch runs while nothing is committed, and for how long it is repeated. */
const MAX_ATTEMPTS = 3
const MAX_REPEATING_MS = 5_000
const PAGE_SIZE = 1_000

/**
 * A ledger that other processes append to, too. A transaction begins only when no other writer has one, so
 * sequences have no gaps, and times are in their order.
 */
export class SharedLedger {
  readonly #db: Db
  readonly #notify: NonNullable<Writing['notify']>
  readonly #elapsed: () => number

  constructor(db: Db, notify: NonNullable<Writing['notify']>, elapsed: () => number) {
    this.#db = db
    this.#notify = notify
    this.#elapsed = elapsed
  }

  /** Reads the entries after the sequence `after`, in pages. */
  async *entriesBetween(db: Db, after: number, through: number): AsyncGenerator<readonly LedgerEntry[]> {
    for (let read = after; read < through;) {
      const page = await listEntries(db, { after: read, through, limit: PAGE_SIZE })
      yield page.entries
      read = page.through
    }
  }

  /**
   * Commits a batch, and sends the sequence of its last entry to all processes. Throws {@link CommitInDoubt}
   * if the connection is lost.
   */
  async commit(
    transaction: OpenTransaction,
    entries: readonly LedgerEntry[],
    settled: unknown,
  ): Promise<void> {
    const last = entries.at(-1)
    if (last !== undefined) await this.#notify(transaction.trx, last.sequence)
    try {
      await transaction.commit()
    } catch (error) {
      throw isConnectionLost(error) ? new CommitInDoubt(last, settled, error) : error
    }
  }

  /**
   * Reports whether the error of a batch may be that of one command. Some errors of writes come with the
   * commit.
   */
  mayBeOfOneCommand(error: unknown): boolean {
    return !(error instanceof CommitInDoubt || isCollision(error) || isConnectionLost(error))
  }

  /**
   * Runs a batch. Runs it again if nothing was committed, because it collided with another transaction or
   * lost its connection. `run` must reject with {@link CommitInDoubt} if the connection was lost during the
   * commit. If the commit was made nevertheless, resolves with what the error says was settled. Rejects with
   * the error if nobody can tell.
   */
  async untilKnown<Settled>(run: () => Promise<Settled>): Promise<Settled> {
    const begun = this.#elapsed()
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run()
      } catch (error) {
        const isInDoubt = error instanceof CommitInDoubt
        if (isInDoubt && (await this.#wasMade(error))) return error.settled as Settled
        const mayRepeat = isInDoubt || isCollision(error) || isConnectionLost(error)
        if (!mayRepeat || attempt === MAX_ATTEMPTS || this.#elapsed() - begun > MAX_REPEATING_MS) throw error
      }
    }
  }

  /**
   * Finds out whether a commit was made: the ledger then has its last entry. The transaction in doubt has
   * its turn until the server has decided, so a later one sees the decision. Throws the error if the server
   * cannot be reached, and for a batch without entries, which leaves no trace.
   */
  async #wasMade(error: CommitInDoubt): Promise<boolean> {
    const { last } = error
    if (last === undefined) throw error
    for (let attempt = 1; ; attempt += 1) {
      try {
        const transaction = await begin(this.#db)
        try {
          return (await findHash(transaction.trx, last.sequence)) === last.hash
        } finally {
          await transaction.rollback()
        }
      } catch {
        if (attempt === MAX_ATTEMPTS) throw error
      }
    }
  }
}

/** Thrown if the connection was lost during a commit, so that it is not known whether it was made. */
export class CommitInDoubt extends Error {
  readonly last: LedgerEntry | undefined
  /** The results of the commands. */
  readonly settled: unknown

  constructor(last: LedgerEntry | undefined, settled: unknown, cause: unknown) {
    super('the connection to the database was lost during a commit', { cause })
    this.last = last
    this.settled = settled
  }
}
