import { isDiskFull } from '../database/database.ts'
import type { Db, Trx } from '../database/database.ts'
import { findState, setState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import { MOST_AHEAD_MS } from '../ledger/clock.ts'
import type { Clock } from '../ledger/clock.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { appendEntry, findHead } from '../ledger/ledger-store.ts'
import type { Change } from './change.ts'
import { Callers } from './callers.ts'
import { handlers } from './commands.ts'
import type { Command, CommandKind, Outcome } from './commands.ts'

/** Told what was committed, after the commit and before any of its commands is answered. Must not throw. */
export type CommitListener = (entries: readonly LedgerEntry[], commit: Commit) => void

/** For figures: how many commands a commit held, and what it took them together. */
export interface Commit {
  readonly commands: number
  readonly durationMs: number
  /** By how much the last commit time is ahead of the clock. */
  readonly aheadMs: number
}

/** What a depot's changes go through, wherever they are made. */
export type DepotWriter = Pick<Writer, 'submit' | 'onCommit' | 'catchUp' | 'close'>

interface Waiting {
  readonly command: Command
  resolve(outcome: unknown): void
  reject(error: unknown): void
}

/** A command's end inside a batch that has not been committed yet. */
interface Settled {
  readonly waiting: Waiting
  readonly result: { outcome: unknown } | { error: unknown }
}

const LARGEST_BATCH = 64

/**
 * The only place that begins and commits. Commands that wait together are committed together, each under a savepoint of its own,
 * so that one that fails leaves nothing and harms no other; each hears of its own outcome once the commit is on the disk.
 * A commit that fails (a full disk) fails every command of its batch.
 */
export class Writer {
  readonly #db: Db
  readonly #now: () => number
  readonly #gather: () => Promise<unknown>
  readonly #beforeCommit: () => void
  readonly #listeners: CommitListener[] = []
  readonly #queue: Waiting[] = []
  #head: LedgerHead
  #clock: Clock
  #draining: Promise<void> | undefined
  #closed = false

  private constructor(db: Db, world: { now: () => number; gather: () => Promise<unknown>; beforeCommit: () => void }, { head, setBackAt }: { head: LedgerHead; setBackAt: number | undefined }) {
    this.#db = db
    this.#now = world.now
    this.#gather = world.gather
    this.#beforeCommit = world.beforeCommit
    this.#head = head
    this.#clock = { now: head.at, setBackAt }
  }

  /**
   * `gather` is waited for before each batch, for what comes meanwhile to be a part of it: unless said otherwise, what is submitted
   * together. `beforeCommit` is called at the last moment before a batch is committed; what it throws fails the batch.
   */
  static async open(db: Db, now: () => number, { gather = () => Promise.resolve(), beforeCommit = () => undefined }: { gather?: () => Promise<unknown>; beforeCommit?: () => void } = {}): Promise<Writer> {
    const setBackAt = await findState(db, 'clock_set_back_at')
    return new Writer(db, { now, gather, beforeCommit }, { head: await findHead(db), setBackAt: setBackAt === undefined ? undefined : Number(setBackAt) })
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.push(listener)
  }

  /**
   * Resolves after the commit that holds the change, with what its handler returned. Rejects with the handler's error, with
   * `storage_full`, `data_gone` or `shutting_down`; nothing was changed then.
   */
  submit<K extends CommandKind>(command: Command<K>): Promise<Outcome<K>> {
    if (this.#closed) return Promise.reject(new DepotError('shutting_down', 'the depot is shutting down'))
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<K>>()
    this.#queue.push({ command, resolve: (outcome) => resolve(outcome as Outcome<K>), reject })
    this.#draining ??= this.#drain()
    return promise
  }

  /** Tells the listeners of every commit whose commands were answered, wherever that was. Costs nothing when they know. Here they do. */
  catchUp(): void {
    // they heard before any command was answered
  }

  /** Refuses new commands and waits for those that are queued. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#draining
  }

  async #drain(): Promise<void> {
    do {
      await this.#gather()
      await this.#commit(this.#queue.splice(0, LARGEST_BATCH))
    } while (this.#queue.length > 0)
    this.#draining = undefined
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const begun = performance.now()
    const before = { head: this.#head, clock: this.#clock }
    const entries: LedgerEntry[] = []
    const settled: Settled[] = []
    try {
      const trx = await this.#db.startTransaction().execute()
      const callers = new Callers(this.#now)
      try {
        for (const waiting of batch) settled.push({ waiting, result: await this.#run(trx, waiting.command, { entries, callers }) })
        this.#beforeCommit()
        await trx.commit().execute()
      } catch (error) {
        await trx.rollback().execute().catch(() => undefined) // SQLite may have rolled back by itself
        throw error
      }
    } catch (error) {
      this.#head = await findHead(this.#db).catch(() => before.head) // a commit that failed may be there all the same
      this.#clock = before.clock
      for (const waiting of batch) waiting.reject(explained(error))
      return
    }
    const commit: Commit = { commands: batch.length, durationMs: performance.now() - begun, aheadMs: Math.max(this.#head.at - this.#clock.now, 0) }
    for (const listener of this.#listeners) listener(entries, commit)
    for (const { waiting, result } of settled) {
      if ('error' in result) waiting.reject(explained(result.error))
      else waiting.resolve(result.outcome)
    }
  }

  async #run(trx: Trx, command: Command, { entries, callers }: { entries: LedgerEntry[]; callers: Callers }): Promise<Settled['result']> {
    const before = this.#head
    const recorded = entries.length
    const clock = await this.#readClock(trx)
    const at = Math.max(clock.now, before.at + 1)
    const inside = await trx.savepoint('command').execute()
    const record: Change['record'] = async (event, subject = {}) => {
      callers.onRecord(event)
      const appended = await appendEntry(inside, this.#head, { at, clock, actor: command.actor, event, subject })
      this.#head = appended.head
      entries.push(appended.entry)
    }
    try {
      const caller = await callers.authorize(inside, command)
      // The table pairs each kind with its own input, which a union of both cannot say.
      const handler = handlers[command.kind] as (change: Change, input: unknown) => Promise<unknown>
      const outcome = await handler({ trx: inside, at, clock, actor: command.actor, caller, record }, command.input)
      await inside.releaseSavepoint('command').execute()
      return { outcome }
    } catch (error) {
      // A full disk makes SQLite roll the whole transaction back: then the batch fails, for the first reason.
      await inside.rollbackToSavepoint('command').execute().catch(() => { throw error })
      this.#head = before
      entries.length = recorded
      return { error }
    }
  }

  /** Notes, whatever becomes of the command, that the clock was set back behind what was committed, or has caught up. */
  async #readClock(trx: Trx): Promise<Clock> {
    const now = this.#now()
    const before = this.#clock.setBackAt
    const setBackAt = this.#head.at - now > MOST_AHEAD_MS ? Math.min(before ?? now, now) : undefined
    if (setBackAt !== before) await setState(trx, 'clock_set_back_at', setBackAt?.toString())
    this.#clock = { now, setBackAt }
    return this.#clock
  }
}

function explained(error: unknown): unknown {
  return isDiskFull(error) ? new DepotError('storage_full', 'the disk of the depot is full; nothing was changed', { cause: error }) : error
}
