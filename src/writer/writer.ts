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

interface QueuedCommand<T extends Handlers> {
  readonly command: CommandIn<T>
  /** The results of earlier reads on a snapshot. With `in transaction`, the command reads in the transaction, however long that takes. */
  readonly readAhead?: ReadAhead | 'in transaction'
  resolve(outcome: unknown): void
  reject(error: unknown): void
  /** Called if reads took too long or their results became invalid. Nothing was changed, and the command must run again. */
  postpone(): void
}

/** The result of a command in a batch that is not committed yet. */
interface Settled<T extends Handlers> {
  readonly queued: QueuedCommand<T>
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
  /** Awaited before each batch; commands that arrive meanwhile join it. By default, waits for commands of the same turn. */
  readonly gather: () => Promise<unknown>
  /** Called at the last moment before a batch is committed; what it throws fails the batch. */
  readonly beforeCommit: () => void
  /** Milliseconds of a monotonic clock. */
  readonly elapsed: () => number
  /** Opens a snapshot of the database outside the writer's transactions. Without it, all reads run in transactions. */
  readonly openSnapshot?: (() => { reader: Db; close(): void }) | undefined
}

/**
 * The only place that begins and commits transactions. Queued commands share a commit. Each has its own savepoint, so a failing command
 * leaves nothing behind and does not affect the others; a command that is alone needs none. Callers get their outcomes once the commit is
 * on disk. A failing commit, for example on a full disk, fails every command of its batch. Commands that read much do so on a snapshot, one
 * after another, while others commit (read-ahead.ts).
 */
export class Writer<T extends Handlers> {
  readonly #db: Db
  readonly #commands: CommandTable<T>
  readonly #options: WriterOptions
  readonly #listeners: CommitListener[] = []
  readonly #queue: QueuedCommand<T>[] = []
  readonly #longCommands: QueuedCommand<T>[] = []
  #readAhead: ReadAhead | undefined
  #runningLong: Promise<void> | undefined
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
    const queued: QueuedCommand<T> = {
      command,
      resolve: (outcome) => resolve(outcome as OutcomeIn<T, K>),
      reject,
      postpone: () => this.#postpone(queued),
    }
    this.#enqueue(queued)
    return promise
  }

  /** See {@link AnnouncementSource.catchUp}. Does nothing here, because the listeners run before any command is answered. */
  catchUp(): void {}

  /** Refuses new commands and waits for queued ones. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#draining !== undefined || this.#runningLong !== undefined)
      await (this.#draining ?? this.#runningLong)
  }

  #enqueue(queued: QueuedCommand<T>): void {
    this.#queue.push(queued)
    this.#draining ??= this.#drain()
  }

  async #drain(): Promise<void> {
    do {
      await this.#options.gather()
      await this.#commit(this.#queue.splice(0, MAX_BATCH_COMMANDS))
    } while (this.#queue.length > 0)
    this.#draining = undefined
  }

  #postpone(queued: QueuedCommand<T>): void {
    this.#longCommands.push(queued)
    this.#runningLong ??= this.#runLongCommands()
  }

  async #runLongCommands(): Promise<void> {
    for (let next = this.#longCommands.shift(); next !== undefined; next = this.#longCommands.shift())
      await this.#runLongCommand(next)
    this.#runningLong = undefined
  }

  /** Runs a command's reads outside of the transaction, then the command with their results. Repeats if they became invalid. */
  async #runLongCommand(queued: QueuedCommand<T>): Promise<void> {
    const { command } = queued
    for (let attempt = 1, isDone = false; !isDone; attempt += 1) {
      let readAhead: ReadAhead | 'in transaction' = 'in transaction'
      if (attempt <= MAX_READ_AHEAD_ATTEMPTS) {
        readAhead = new ReadAhead()
        this.#readAhead = readAhead // before the snapshot is opened, so that it gets every commit since
        try {
          return queued.resolve(await this.#runOnSnapshot(command, readAhead))
        } catch (error) {
          if (!isWriteAttempt(error)) return queued.reject(error)
        }
        await nextTurn() // commands that came during the last read go first
      }
      const { promise: done, resolve: settle } = Promise.withResolvers<boolean>()
      this.#enqueue({
        command,
        readAhead,
        resolve(outcome) {
          queued.resolve(outcome)
          settle(true)
        },
        reject(error) {
          queued.reject(error)
          settle(true)
        },
        postpone: () => settle(false),
      })
      isDone = await done
    }
  }

  /** Runs a handler on a snapshot up to its first write. A result or error before that is the command's outcome. */
  async #runOnSnapshot(command: CommandIn<T>, readAhead: ReadAhead): Promise<unknown> {
    const { now, openSnapshot } = this.#options
    if (openSnapshot === undefined) throw new Postponed('the writer cannot open snapshots')
    const snapshot = openSnapshot()
    const db = yielding(snapshot.reader)
    try {
      const head = await findHead(db)
      const clock = { ...this.#clock, now: now() }
      const caller = await this.#commands.checkCallers(now).authorize(db, command)
      const read: CommandContext['read'] = async (name, basis, act) => {
        const value = await act(db)
        readAhead.store(name, basis, value)
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

  /** Returns the `read` function for a command in a transaction. */
  #readerFor(trx: Trx, readAhead: QueuedCommand<T>['readAhead']): CommandContext['read'] {
    const { elapsed, openSnapshot } = this.#options
    if (readAhead === 'in transaction' || openSnapshot === undefined)
      return async (_name, _basis, act) => act(trx)
    if (readAhead !== undefined) {
      return async (name, _basis, act) => {
        const taken = readAhead.take(name)
        return taken === undefined ? act(trx) : (taken.value as Awaited<ReturnType<typeof act>>)
      }
    }
    const end = elapsed() + MAX_READ_MS
    const limited = refusingAfter(trx, () => elapsed() > end)
    return async (_name, _basis, act) => act(limited)
  }

  async #commit(taken: readonly QueuedCommand<T>[]): Promise<void> {
    const { elapsed } = this.#options
    const begun = elapsed()
    const clockBefore = this.#clock
    const entries: LedgerEntry[] = []
    let settled: readonly Settled<T>[]
    try {
      if (this.#isHeadUncertain) await this.#readHead()
      settled = await this.#runBatch(taken, entries, begun)
    } catch (error) {
      // The rows of a commit that reported failure may still be in the file.
      this.#isHeadUncertain = true
      this.#clock = clockBefore
      this.#readAhead?.onCommit(entries)
      await this.#readHead().catch(() => undefined) // the next batch tries again
      for (const queued of taken) queued.reject(translateDiskFull(error))
      return
    }
    this.#queue.unshift(...taken.slice(settled.length))
    this.#readAhead?.onCommit(entries)
    const commit: CommitStats = {
      commands: settled.filter(({ result }) => result !== 'postponed').length,
      durationMs: elapsed() - begun,
      aheadMs: Math.max(this.#head.at - this.#clock.now, 0),
    }
    await this.#announce({ entries, through: this.#head.sequence }, commit)
    for (const { queued, result } of settled) {
      if (result === 'postponed') queued.postpone()
      else if ('error' in result) queued.reject(translateDiskFull(result.error))
      else queued.resolve(result.outcome)
    }
  }

  /**
   * Runs commands in one transaction and commits it. Adds their entries to `entries`. Returns the results of the commands that ran, which
   * are the first of `taken`. Throws if the commit fails.
   */
  async #runBatch(
    taken: readonly QueuedCommand<T>[],
    entries: LedgerEntry[],
    begun: number,
  ): Promise<readonly Settled<T>[]> {
    const { elapsed } = this.#options
    const settled: Settled<T>[] = []
    const trx = await this.#db.startTransaction().execute()
    const callers = this.#commands.checkCallers(this.#options.now)
    try {
      for (const queued of taken) {
        // A command that read on a snapshot may write much, so it starts a new batch.
        if (settled.length > 0 && (queued.readAhead !== undefined || elapsed() - begun >= MAX_BATCH_MS)) break
        const isAlone = taken.length === 1
        settled.push({ queued, result: await this.#run(trx, queued, { entries, callers, isAlone }) })
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
    return settled
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
    { command, readAhead }: QueuedCommand<T>,
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
      const read = this.#readerFor(trx, readAhead)
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
