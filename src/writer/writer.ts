import { isDiskFull, isReadOnly } from '../database/engine.ts'
import type { Db, Trx } from '../database/database.ts'
import { releaseSavepoint, setSavepoint, undoToSavepoint } from '../database/savepoints.ts'
import { findState, setState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import { MAX_CLOCK_SKEW_MS } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { appendEntry, findHead } from '../ledger/ledger-store.ts'
import type { CommandContext } from '../ledger/command-context.ts'
import type { Announcement } from '../ledger/follower.ts'
import { Postponed, ReadAhead, nextTurn, yielding, refusingAfter } from '../ledger/read-ahead.ts'
import type { CallerCheck, CommandIn, CommandTable, Handlers, KindIn, OutcomeIn } from './command-table.ts'

/** Called with an announcement and, if a commit succeeded, with its statistics. See {@link AnnouncementListener}. Must not throw. */
export type CommitListener = (
  announcement: Announcement,
  commit: CommitStats | undefined,
) => void | Promise<void>

/** The size and duration of one commit. */
export interface CommitStats {
  readonly commands: number
  readonly durationMs: number
  /** How far the last commit time is ahead of the clock. */
  readonly aheadMs: number
}

/** A writer in this thread, or a client of the writer's thread. */
export type AnyWriter<T extends Handlers> = Pick<Writer<T>, 'submit' | 'onAnnouncement' | 'catchUp' | 'close'>

interface Waiting<T extends Handlers> {
  readonly command: CommandIn<T>
  /** The results of reads made in advance. `in transaction`: the reads run in the transaction, however long they take. */
  readonly ahead?: ReadAhead | 'in transaction'
  resolve(outcome: unknown): void
  reject(error: unknown): void
  /** Called if reads took too long or their results became invalid. Nothing was changed; the command must run again. */
  postpone(): void
}

/** The result of a command in a batch that is not committed yet. */
interface Settled<T extends Handlers> {
  readonly waiting: Waiting<T>
  readonly result: { outcome: unknown } | { error: unknown } | 'postponed'
}

const MAX_BATCH_COMMANDS = 64
/** A batch closes after this time, so that later commands do not wait for all of it. */
const MAX_BATCH_MS = 100
/** How long a command may read in the transaction. */
const MAX_READ_MS = 50
/** How often a command's reads are made on a snapshot before they are made in the transaction. */
const MAX_READ_AHEAD_ATTEMPTS = 3

export interface WriterOptions {
  readonly now: () => number
  /** Awaited before each batch; commands that arrive meanwhile join it. By default, those submitted in the same turn. */
  readonly gather: () => Promise<unknown>
  /** Called at the last moment before a batch is committed; what it throws fails the batch. */
  readonly beforeCommit: () => void
  /** Milliseconds of a monotonic clock. */
  readonly elapsed: () => number
  /** Opens a snapshot of the database outside the writer's transactions. Without it, all reads run in transactions. */
  readonly openSnapshot?: (() => { reader: Db; close(): void }) | undefined
}

/**
 * The only place that begins and commits transactions. Waiting commands share a commit. Each has its own savepoint, so
 * a failing command leaves nothing behind and does not affect the others; a command alone has its own transaction. Callers get their outcomes once the commit is
 * on disk. A failing commit, for example on a full disk, fails every command of its batch. Commands that read much do
 * so outside of the transaction, one after another, while others commit (read-ahead.ts).
 */
export class Writer<T extends Handlers> {
  readonly #db: Db
  readonly #commands: CommandTable<T>
  readonly #options: WriterOptions
  readonly #listeners: CommitListener[] = []
  readonly #queue: Waiting<T>[] = []
  readonly #long: Waiting<T>[] = []
  #ahead: ReadAhead | undefined
  #reading: Promise<void> | undefined
  #head: LedgerHead
  /** Whether the last entry of the file may differ from `#head`, because a commit reported failure. */
  #isHeadUncertain = false
  #clock: Clock
  #draining: Promise<void> | undefined
  #closed = false

  private constructor(
    db: Db,
    commands: CommandTable<T>,
    options: WriterOptions,
    { head, setBackAt }: { head: LedgerHead; setBackAt: number | undefined },
  ) {
    this.#db = db
    this.#commands = commands
    this.#options = options
    this.#head = head
    this.#clock = { now: head.at, setBackAt }
  }

  /** Opens a writer on a migrated database, which it alone may write. */
  static async open<T extends Handlers>(
    db: Db,
    commands: CommandTable<T>,
    options: Pick<WriterOptions, 'now'> & Partial<WriterOptions>,
  ): Promise<Writer<T>> {
    const setBackAt = await findState(db, 'clock_set_back_at')
    const defaults = {
      gather: () => Promise.resolve(),
      beforeCommit: () => undefined,
      elapsed: () => performance.now(),
    }
    return new Writer(
      db,
      commands,
      { ...defaults, ...options },
      { head: await findHead(db), setBackAt: setBackAt === undefined ? undefined : Number(setBackAt) },
    )
  }

  /**
   * Calls `listener` after each commit, before the callers get their answers. If a commit reports failure although its
   * rows are in the file, `listener` gets an announcement without entries.
   */
  onAnnouncement(listener: CommitListener): void {
    this.#listeners.push(listener)
  }

  /**
   * Runs a command and resolves with the handler's result after the commit. Rejects with the handler's error,
   * `storage_full`, `data_gone` or `shutting_down`; then nothing was changed.
   */
  submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    if (this.#closed) return Promise.reject(new DepotError('shutting_down', 'the depot is shutting down'))
    const { promise, resolve, reject } = Promise.withResolvers<OutcomeIn<T, K>>()
    const waiting: Waiting<T> = {
      command,
      resolve: (outcome) => resolve(outcome as OutcomeIn<T, K>),
      reject,
      postpone: () => this.#readLater(waiting),
    }
    this.#enqueue(waiting)
    return promise
  }

  /** See {@link AnnouncementSource.catchUp}. Does nothing here, because the listeners run before any command is answered. */
  catchUp(): void {
    // the listeners know every commit
  }

  /** Refuses new commands and waits for queued ones. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#draining !== undefined || this.#reading !== undefined)
      await (this.#draining ?? this.#reading)
  }

  #enqueue(waiting: Waiting<T>): void {
    this.#queue.push(waiting)
    this.#draining ??= this.#drain()
  }

  async #drain(): Promise<void> {
    do {
      await this.#options.gather()
      await this.#commit(this.#queue.splice(0, MAX_BATCH_COMMANDS))
    } while (this.#queue.length > 0)
    this.#draining = undefined
  }

  #readLater(waiting: Waiting<T>): void {
    this.#long.push(waiting)
    this.#reading ??= this.#runLongCommands()
  }

  async #runLongCommands(): Promise<void> {
    for (let next = this.#long.shift(); next !== undefined; next = this.#long.shift())
      await this.#runLongCommand(next)
    this.#reading = undefined
  }

  /** Runs a command's reads outside of the transaction, then the command with their results. Repeats if they became invalid. */
  async #runLongCommand(waiting: Waiting<T>): Promise<void> {
    const { command } = waiting
    for (let attempt = 1, isDone = false; !isDone; attempt += 1) {
      const ahead = attempt > MAX_READ_AHEAD_ATTEMPTS ? 'in transaction' : (this.#ahead = new ReadAhead()) // sees commits from before its snapshot on
      if (ahead !== 'in transaction') {
        try {
          return waiting.resolve(await this.#readFor(command, ahead))
        } catch (error) {
          if (!isWriteAttempt(error)) return waiting.reject(error)
        }
        await nextTurn() // commands that came during the last read go first
      }
      const { promise: done, resolve: settle } = Promise.withResolvers<boolean>()
      this.#enqueue({
        command,
        ahead,
        resolve(outcome) {
          waiting.resolve(outcome)
          settle(true)
        },
        reject(error) {
          waiting.reject(error)
          settle(true)
        },
        postpone: () => settle(false),
      })
      isDone = await done
    }
  }

  /** Runs a handler on a snapshot up to its first write. A result or error before that is the command's outcome. */
  async #readFor(command: CommandIn<T>, ahead: ReadAhead): Promise<unknown> {
    const { now, openSnapshot } = this.#options
    if (openSnapshot === undefined) throw new Postponed('the writer has no snapshot for reads in advance')
    const snapshot = openSnapshot()
    const db = yielding(snapshot.reader)
    try {
      const head = await findHead(db)
      const clock = { ...this.#clock, now: now() }
      const caller = await this.#commands.checkCallers(now).authorize(db, command)
      const read: CommandContext['read'] = async (name, basis, act) => {
        const value = await act(db)
        ahead.store(name, basis, value)
        return value
      }
      return await this.#handle(
        {
          trx: db as Trx,
          at: Math.max(clock.now, head.at + 1),
          clock,
          actor: command.actor,
          caller,
          read,
          record: refuseToRecord,
        },
        command,
      )
    } finally {
      snapshot.close()
    }
  }

  /** Returns the `read` function of a command in a transaction. */
  #readIn(inside: Trx, ahead: Waiting<T>['ahead']): CommandContext['read'] {
    const { elapsed, openSnapshot } = this.#options
    if (ahead === 'in transaction' || openSnapshot === undefined)
      return async (_name, _basis, act) => act(inside)
    if (ahead !== undefined) {
      return async (name, _basis, act) => {
        const taken = ahead.take(name)
        return taken === undefined ? act(inside) : (taken.value as Awaited<ReturnType<typeof act>>)
      }
    }
    const end = elapsed() + MAX_READ_MS
    const limited = refusingAfter(inside, () => elapsed() > end)
    return async (_name, _basis, act) => act(limited)
  }

  async #commit(taken: readonly Waiting<T>[]): Promise<void> {
    const { elapsed } = this.#options
    const begun = elapsed()
    const clockBefore = this.#clock
    const entries: LedgerEntry[] = []
    const settled: Settled<T>[] = []
    try {
      if (this.#isHeadUncertain) await this.#readHead()
      const trx = await this.#db.startTransaction().execute()
      const callers = this.#commands.checkCallers(this.#options.now)
      try {
        for (const waiting of taken) {
          // A command with reads made in advance may write much, so it starts a batch of its own.
          if (settled.length > 0 && (waiting.ahead !== undefined || elapsed() - begun >= MAX_BATCH_MS)) break
          const isAlone = taken.length === 1
          settled.push({ waiting, result: await this.#run(trx, waiting, { entries, callers, isAlone }) })
        }
        if (!trx.isRolledBack) {
          this.#options.beforeCommit()
          await trx.commit().execute()
        }
      } catch (error) {
        await trx
          .rollback()
          .execute()
          .catch(() => undefined) // SQLite may have rolled back by itself
        throw error
      }
    } catch (error) {
      // The rows of a commit that reported failure may still be in the file.
      this.#isHeadUncertain = true
      this.#clock = clockBefore
      this.#ahead?.onCommit(entries)
      await this.#readHead().catch(() => undefined) // the next batch tries again
      for (const waiting of taken) waiting.reject(translateDiskFull(error))
      return
    }
    this.#queue.unshift(...taken.slice(settled.length))
    this.#ahead?.onCommit(entries)
    const commit: CommitStats = {
      commands: settled.filter(({ result }) => result !== 'postponed').length,
      durationMs: elapsed() - begun,
      aheadMs: Math.max(this.#head.at - this.#clock.now, 0),
    }
    await this.#announce({ entries, through: this.#head.sequence }, commit)
    for (const { waiting, result } of settled) {
      if (result === 'postponed') waiting.postpone()
      else if ('error' in result) waiting.reject(translateDiskFull(result.error))
      else waiting.resolve(result.outcome)
    }
  }

  /** Reads the end of the ledger, and announces entries in the file that were not announced yet. */
  async #readHead(): Promise<void> {
    this.#head = await findHead(this.#db)
    this.#isHeadUncertain = false
    await this.#announce({ entries: [], through: this.#head.sequence })
  }

  async #announce(announcement: Announcement, commit?: CommitStats): Promise<void> {
    const delays = this.#listeners.map((listener) => listener(announcement, commit))
    for (const delay of delays) await delay
  }

  async #run(
    trx: Trx,
    { command, ahead }: Waiting<T>,
    { entries, callers, isAlone }: { entries: LedgerEntry[]; callers: CallerCheck<T>; isAlone: boolean },
  ): Promise<Settled<T>['result']> {
    const { actor } = command
    const before = this.#head
    const recorded = entries.length
    const setBackBefore = this.#clock.setBackAt
    const clock = await this.#readClock(trx)
    const at = Math.max(clock.now, before.at + 1)
    const hasSavepoint = !isAlone || clock.setBackAt !== setBackBefore
    if (hasSavepoint) await setSavepoint(trx)
    const record: CommandContext['record'] = async (event, subject = {}) => {
      callers.onRecord(event)
      const appended = await appendEntry(trx, this.#head, { at, clock, actor, event, subject })
      this.#head = appended.head
      entries.push(appended.entry)
      return appended.entry
    }
    try {
      const caller = await callers.authorize(trx, command)
      const read = this.#readIn(trx, ahead)
      const outcome = await this.#handle({ trx, at, clock, actor, caller, read, record }, command)
      if (hasSavepoint) await releaseSavepoint(trx)
      return { outcome }
    } catch (error) {
      // On a full disk SQLite rolls the whole transaction back. The batch then fails with the original error.
      await (hasSavepoint ? undoToSavepoint(trx) : trx.rollback().execute()).catch(() => {
        throw error
      })
      this.#head = before
      entries.length = recorded
      return error instanceof Postponed ? 'postponed' : { error }
    }
  }

  #handle(context: CommandContext, { kind, input }: CommandIn<T>): Promise<unknown> {
    // The table pairs each kind with its input; a union type cannot express the pairing.
    const handler = this.#commands.handlers[kind] as (
      context: CommandContext,
      input: unknown,
    ) => Promise<unknown>
    return handler(context, input)
  }

  /** Stores that the clock is behind the last commit time, or has caught up. Stays stored even if the command fails. */
  async #readClock(trx: Trx): Promise<Clock> {
    const now = this.#options.now()
    const before = this.#clock.setBackAt
    const setBackAt = this.#head.at - now > MAX_CLOCK_SKEW_MS ? Math.min(before ?? now, now) : undefined
    if (setBackAt !== before) await setState(trx, 'clock_set_back_at', setBackAt?.toString())
    this.#clock = { now, setBackAt }
    return this.#clock
  }
}

async function refuseToRecord(): Promise<never> {
  throw new Postponed('a snapshot accepts no writes')
}

/** Reports whether a handler on a snapshot reached its first write. */
function isWriteAttempt(error: unknown): boolean {
  return error instanceof Postponed || isReadOnly(error)
}

function translateDiskFull(error: unknown): unknown {
  return isDiskFull(error)
    ? new DepotError('storage_full', 'the disk of the depot is full; nothing was changed', { cause: error })
    : error
}
