import { isCollision } from '../database/errors.ts'
import type { Db, Trx } from '../database/database.ts'
import { releaseSavepoint, setSavepoint, undoToSavepoint } from '../database/savepoints.ts'
import { MOVED, setState } from '../database/state-store.ts'
import { begin } from '../database/transaction.ts'
import type { OpenTransaction } from '../database/transaction.ts'
import { DepotError, shuttingDown } from '../errors.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import { MAX_CLOCK_SKEW_MS } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { appendEntry, findHead } from '../ledger/ledger-store.ts'
import type { CommandContext } from '../ledger/command-context.ts'
import type { Announcement } from '../ledger/follower.ts'
import { Postponed, limitReads } from '../ledger/read-ahead.ts'
import type { LimitedReads, ReadAhead } from '../ledger/read-ahead.ts'
import { traced } from '../tracing/traced.ts'
import { handle } from './command-table.ts'
import type { CallerCheck, CommandIn, CommandTable, Handlers, KindIn, OutcomeIn } from './command-table.ts'
import { LongCommands } from './long-commands.ts'
import type { QueuedCommand } from './long-commands.ts'
import { Outcomes, forCaller } from './outcomes.ts'
import type { Settled } from './outcomes.ts'
import { SharedLedger, readLedgerEnd } from './shared-ledger.ts'
import type { LedgerEnd } from './shared-ledger.ts'
import { runOnSnapshot } from './snapshot-run.ts'
import type { SnapshotRun } from './snapshot-run.ts'
import type { WriterOptions } from './writer-options.ts'

/**
 * Called with an announcement and, if a commit succeeded, with its statistics. See {@link
 * AnnouncementListener}. Must not throw.
 */
export type CommitListener = (
  announcement: Announcement,
  commit: CommitStats | undefined,
) => void | Promise<void>

/** The size and duration of one commit. */
export interface CommitStats {
  readonly commands: number
  readonly durationMs: number
}

/** A writer in this thread, or a client of the writer's thread. */
export type AnyWriter<T extends Handlers> = Pick<Writer<T>, 'submit' | 'onAnnouncement' | 'catchUp' | 'close'>

/** The commands of one transaction. */
interface Batch<T extends Handlers> {
  readonly transaction: OpenTransaction
  readonly callers: CallerCheck<T>
  /** The transaction, for reads that may turn out to be long. */
  readonly limited: LimitedReads
  readonly entries: LedgerEntry[]
  /** Whether each command has a savepoint, so that it can fail without the others. */
  readonly hasSavepoints: boolean
}

const MAX_BATCH_COMMANDS = 64
/** After this time, a batch takes no further commands, so that its callers do not wait longer. */
const MAX_BATCH_MS = 100
/** When callers may try again while the depot is being moved. */
const MOVING_RETRY_AFTER_S = 60
/** How long a command may read in the transaction. Longer reads are made on a snapshot. */
const MAX_READ_MS = 50

/**
 * The only place that begins and commits transactions. Queued commands share a commit. A failing command
 * leaves nothing behind and does not affect the others. Callers get their outcomes once the commit is on
 * disk. A failing commit, for example on a full disk, fails every command of its batch. Commands that read
 * much do so on a snapshot, one after another, while others commit (long-commands.ts).
 */
export class Writer<T extends Handlers> {
  readonly #db: Db
  readonly #commands: CommandTable<T>
  readonly #options: WriterOptions
  readonly #listeners: CommitListener[] = []
  readonly #queue: QueuedCommand<T>[] = []
  readonly #longCommands = new LongCommands<T>({
    enqueue: (queued) => this.#enqueue(queued),
    runOnSnapshot: (command, readAhead) => this.#runOnSnapshot(command, readAhead),
    answer: (queued, { result, through }) => this.#outcomes.give([{ queued, result }], through),
  })
  readonly #outcomes: Outcomes<T>
  /** Present if other processes write, too. */
  readonly #shared: SharedLedger | undefined
  #head: LedgerHead
  /** Whether the last entry of the file may differ from `#head`, because a commit reported failure. */
  #isHeadUncertain = false
  #clock: Clock
  /** What the last commit knew of callers. Absent if it failed, or if other processes write, too. */
  #callers: CallerCheck<T> | undefined
  /** Why the depot accepts no changes. */
  #moving: string | undefined
  #draining: Promise<void> | undefined
  #closed = false

  private constructor(
    db: Db,
    commands: CommandTable<T>,
    options: WriterOptions,
    { head, setBackAt, moving }: LedgerEnd,
  ) {
    this.#db = db
    this.#commands = commands
    this.#options = options
    this.#outcomes = new Outcomes(options.acknowledge)
    this.#shared = options.notify && new SharedLedger(db, options.notify, options.elapsed)
    this.#head = head
    this.#clock = { now: head.at, setBackAt }
    this.#moving = moving
  }

  /** Opens a writer on a migrated database. Without `notify`, it alone may write. */
  static async open<T extends Handlers>(
    db: Db,
    commands: CommandTable<T>,
    options: Pick<WriterOptions, 'now'> & Partial<WriterOptions>,
  ): Promise<Writer<T>> {
    const defaults = {
      gather: () => Promise.resolve(),
      beforeCommit: () => undefined,
      elapsed: () => performance.now(),
    }
    return new Writer(db, commands, { ...defaults, ...options }, await readLedgerEnd(db))
  }

  /**
   * Calls `listener` after each commit, before the callers get their answers. If a commit reports failure
   * although its rows are in the file, `listener` gets an announcement without entries.
   */
  onAnnouncement(listener: CommitListener): void {
    this.#listeners.push(listener)
  }

  /**
   * Runs a command and resolves with the handler's result after the commit. Rejects with the error of the
   * caller check or the handler, `storage_full`, `data_gone` or `shutting_down`; then nothing was changed.
   * Rejects with another error if the commit fails; then the change may be in the file.
   */
  submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    if (this.#closed) return Promise.reject(shuttingDown())
    return traced('command', { 'hart_depot.command': command.kind }, () => this.#submit(command))
  }

  #submit<K extends KindIn<T>>(command: CommandIn<T, K>): Promise<OutcomeIn<T, K>> {
    const { promise, resolve, reject } = Promise.withResolvers<OutcomeIn<T, K>>()
    const queued: QueuedCommand<T> = {
      command,
      resolve: (outcome) => resolve(outcome as OutcomeIn<T, K>),
      reject,
      postpone: () => this.#longCommands.add(queued),
    }
    this.#enqueue(queued)
    return promise
  }

  /**
   * See {@link AnnouncementSource.catchUp}. Does nothing here, because the listeners run before any command
   * is answered.
   */
  catchUp(): void {}

  /** Refuses new commands and waits for queued ones. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#draining !== undefined || this.#longCommands.running !== undefined)
      await (this.#draining ?? this.#longCommands.running)
    await this.#outcomes.given()
  }

  /** The last entry that this writer has seen committed. */
  get head(): LedgerHead {
    return this.#head
  }

  /** Announces entries that another process has committed. They may come again. */
  async announce(entries: readonly LedgerEntry[]): Promise<void> {
    const last = entries.at(-1)
    if (last !== undefined) await this.#announce({ entries, through: last.sequence })
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

  async #runOnSnapshot(command: CommandIn<T>, readAhead: ReadAhead): Promise<SnapshotRun> {
    const { now, openSnapshot, beforeCommit } = this.#options
    if (openSnapshot === undefined) throw new Postponed('the writer cannot open snapshots')
    beforeCommit() // opening the files of a snapshot would fail with an error that says less
    const { setBackAt } = this.#clock
    return runOnSnapshot(await openSnapshot(), this.#commands, command, { readAhead, now, setBackAt })
  }

  /**
   * Returns the `read` function for a command in a transaction. Starts the time limit of its reads, if it has
   * one.
   */
  #readerFor(
    { transaction: { trx }, limited }: Batch<T>,
    readAhead: QueuedCommand<T>['readAhead'],
  ): CommandContext['read'] {
    const { elapsed, openSnapshot } = this.#options
    if (readAhead === 'in transaction' || openSnapshot === undefined)
      return async (_name, _basis, act) => act(trx)
    if (readAhead !== undefined) {
      return async (name, _basis, act) => {
        const taken = readAhead.take(name)
        return taken === undefined ? act(trx) : (taken.value as Awaited<ReturnType<typeof act>>)
      }
    }
    limited.end = elapsed() + MAX_READ_MS
    return async (_name, _basis, act) => act(limited.db)
  }

  async #commit(taken: readonly QueuedCommand<T>[]): Promise<void> {
    const { elapsed } = this.#options
    const begun = elapsed()
    const entries: LedgerEntry[] = []
    let settled: readonly Settled<T>[]
    let [head, clock] = [this.#head, this.#clock]
    const setBack = (): void => {
      this.#head = head
      this.#clock = clock
    }
    try {
      if (this.#isHeadUncertain) await this.#readHead()
      ;[head, clock] = [this.#head, this.#clock]
      const run = async () => {
        setBack() // an earlier run may have come to nothing
        return this.#runBatch(taken, entries)
      }
      settled = await (this.#shared?.untilKnown(run) ?? run())
      if (settled.some(({ queued }) => this.#mayRunWhileMoving(queued.command)))
        this.#moving = (await readLedgerEnd(this.#db)).moving
    } catch (error) {
      // The rows of a commit that reported failure may still be in the file.
      this.#isHeadUncertain = true
      setBack()
      this.#longCommands.onCommit(entries)
      await this.#readHead().catch(() => undefined) // the next batch tries again
      for (const queued of taken) queued.reject(forCaller(error))
      return
    }
    this.#queue.unshift(...taken.slice(settled.length))
    this.#longCommands.onCommit(entries)
    const commit: CommitStats = {
      commands: settled.filter(({ result }) => result !== 'postponed').length,
      durationMs: elapsed() - begun,
    }
    await this.#announce({ entries, through: this.#head.sequence }, commit)
    for (const { queued, result } of settled) if (result === 'postponed') queued.postpone()
    this.#outcomes.give(settled, this.#head.sequence)
  }

  /**
   * Runs commands in one transaction and commits it. Adds their entries to `entries`. Returns the results of
   * the commands that ran, which are the first ones of `taken`. Throws if the commit fails.
   *
   * At first, commands have no savepoints: few commands fail, and savepoints for all would cost more. If one
   * of several fails, the transaction is rolled back, and all run again with savepoints. Those that were
   * postponed do not run again; `postponed` has them.
   */
  async #runBatch(
    taken: readonly QueuedCommand<T>[],
    entries: LedgerEntry[],
    { hasSavepoints = false, postponed }: { hasSavepoints?: boolean; postponed?: ReadonlySet<unknown> } = {},
  ): Promise<readonly Settled<T>[]> {
    const { now, elapsed, beforeCommit } = this.#options
    const [head, clock] = [this.#head, this.#clock]
    const begun = elapsed()
    const settled: Settled<T>[] = []
    const transaction = await begin(this.#db)
    const { trx } = transaction
    const callers = this.#callers ?? this.#commands.checkCallers(now)
    this.#callers = undefined
    const batch = { transaction, callers, limited: limitReads(trx, elapsed), entries, hasSavepoints }
    entries.length = 0
    try {
      if (this.#shared !== undefined) await this.#followOthers(trx, this.#shared)
      for (const queued of taken) {
        // A command that read on a snapshot may write much, so it begins a new batch.
        if (settled.length > 0 && (queued.readAhead !== undefined || elapsed() - begun >= MAX_BATCH_MS)) break
        const result = postponed?.has(queued) === true ? 'postponed' : await this.#run(batch, queued)
        settled.push({ queued, result })
        if (transaction.isRolledBack) break
      }
      if (!transaction.isRolledBack) {
        beforeCommit()
        await (this.#shared?.commit(transaction, entries, settled) ?? transaction.commit())
        if (this.#shared === undefined) this.#callers = callers
      }
    } catch (error) {
      await transaction.rollback().catch(() => undefined) // SQLite may have rolled back by itself
      if (hasSavepoints || taken.length === 1 || this.#shared?.mayBeOfOneCommand(error) !== true) throw error
    }
    if (transaction.isCommitted || taken.length === 1) return settled
    this.#head = head
    this.#clock = clock
    const known = settled.filter(({ result }) => result === 'postponed').map(({ queued }) => queued)
    return this.#runBatch(taken, entries, { hasSavepoints: true, postponed: new Set(known) })
  }

  /** Takes over what other writers have committed since the last batch. */
  async #followOthers(trx: Trx, shared: SharedLedger): Promise<void> {
    const { head, setBackAt, moving } = await readLedgerEnd(trx)
    await this.#moveTo(head, trx, shared)
    this.#clock = { ...this.#clock, setBackAt }
    this.#moving = moving
  }

  /** Takes over the end of the ledger. Long commands get the entries of other writers up to there. */
  async #moveTo(head: LedgerHead, db: Db, shared: SharedLedger | undefined): Promise<void> {
    if (shared !== undefined && this.#longCommands.isReading)
      for await (const entries of shared.entriesBetween(db, this.#head.sequence, head.sequence))
        this.#longCommands.onCommit(entries)
    this.#head = head
  }

  /** Reads the end of the ledger, and announces entries in the file that were not announced yet. */
  async #readHead(): Promise<void> {
    await this.#moveTo(await findHead(this.#db), this.#db, this.#shared)
    this.#isHeadUncertain = false
    await this.#announce({ entries: [], through: this.#head.sequence })
  }

  async #announce(announcement: Announcement, commit?: CommitStats): Promise<void> {
    const delays = this.#listeners.map((listener) => listener(announcement, commit))
    for (const delay of delays) await delay
  }

  /**
   * Runs a command. If it fails, undoes what it wrote; without a savepoint, rolls the whole transaction back.
   */
  async #run(batch: Batch<T>, { command, readAhead }: QueuedCommand<T>): Promise<Settled<T>['result']> {
    if (this.#moving !== undefined && !this.#mayRunWhileMoving(command))
      return { error: acceptsNoChanges(this.#moving) }
    const { transaction, callers, entries } = batch
    const { trx } = transaction
    const { actor } = command
    const before = this.#head
    const recorded = entries.length
    const setBackBefore = this.#clock.setBackAt
    const clock = await this.#readClock(trx)
    const at = Math.max(clock.now, before.at + 1)
    const hasSavepoint = batch.hasSavepoints || clock.setBackAt !== setBackBefore
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
      const read = this.#readerFor(batch, readAhead)
      const outcome = await handle(
        this.#commands.handlers,
        { trx, at, clock, actor, caller, read, record },
        command,
      )
      if (hasSavepoint) await releaseSavepoint(trx)
      return { outcome }
    } catch (error) {
      // On a full disk SQLite rolls the whole transaction back. The batch then fails with the original error.
      await (hasSavepoint ? undoToSavepoint(trx) : transaction.rollback()).catch(() => {
        throw error
      })
      if (isCollision(error)) throw error // the whole batch runs again
      this.#head = before
      entries.length = recorded
      return error instanceof Postponed ? 'postponed' : { error }
    }
  }

  #mayRunWhileMoving({ kind }: CommandIn<T>): boolean {
    return this.#commands.whileMoving.includes(kind)
  }

  /**
   * Reads the clock for a command. Stores when the clock fell far behind the last commit time, and deletes
   * this once the clock has caught up. Call this before the savepoint is set, so that a failing command does
   * not undo what was stored.
   */
  async #readClock(trx: Trx): Promise<Clock> {
    const now = this.#options.now()
    const before = this.#clock.setBackAt
    const setBackAt = this.#head.at - now > MAX_CLOCK_SKEW_MS ? Math.min(before ?? now, now) : undefined
    if (setBackAt !== before) await setState(trx, 'clock_set_back_at', setBackAt?.toString())
    this.#clock = { now, setBackAt }
    return this.#clock
  }
}

function acceptsNoChanges(reason: string): DepotError {
  return new DepotError('moving', `the depot accepts no changes: ${reason}`, {
    ...(!reason.startsWith(MOVED) && { retryAfterSeconds: MOVING_RETRY_AFTER_S }),
  })
}
