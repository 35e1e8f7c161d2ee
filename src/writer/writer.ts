import { isDiskFull } from '../database/database.ts'
import type { Db, Trx } from '../database/database.ts'
import { findState, setState } from '../database/state-store.ts'
import { DepotError } from '../errors.ts'
import type { LedgerHead } from '../ledger/chain.ts'
import { MOST_AHEAD_MS } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { appendEntry, findHead } from '../ledger/ledger-store.ts'
import type { Change } from '../ledger/change.ts'
import { Callers } from './callers.ts'
import { handlers } from '../commands/commands.ts'
import type { Command, CommandKind, Outcome } from '../commands/commands.ts'
import { Postponed, ReadAhead, nextTurn, yielding, refusingAfter } from '../ledger/read-ahead.ts'

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
  /** What was read for it; `in transaction`: its reads are made in the transaction, however long they take. */
  readonly ahead?: ReadAhead | 'in transaction'
  resolve(outcome: unknown): void
  reject(error: unknown): void
  /** Its reads took too long, or what was read no longer holds: nothing was changed, and it has to run again. */
  postpone(): void
}

/** A command's end inside a batch that has not been committed yet. */
interface Settled {
  readonly waiting: Waiting
  readonly result: { outcome: unknown } | { error: unknown } | 'postponed'
}

const LARGEST_BATCH = 64
/** A batch closes after so much work: commands that come meanwhile do not wait for all of it. */
const LONGEST_BATCH_MS = 100
/** What a command may read in the transaction. */
const LONGEST_READ_MS = 50
/** How often a command's reads are made on a snapshot before they are made in the transaction. */
const MOST_READ_AHEAD = 3

export interface WriterWorld {
  readonly now: () => number
  /** Waited for before each batch, for what comes meanwhile to be a part of it: unless said otherwise, what is submitted together. */
  readonly gather: () => Promise<unknown>
  /** Called at the last moment before a batch is committed; what it throws fails the batch. */
  readonly beforeCommit: () => void
  /** Milliseconds of a clock that nobody sets. */
  readonly elapsed: () => number
  /** A look at one state of the database, apart from the writer's transactions. Without it, all reads are made in these. */
  readonly openSnapshot?: (() => { reader: Db; close(): void }) | undefined
}

/**
 * The only place that begins and commits. Commands that wait together are committed together, each under a savepoint of its own,
 * so that one that fails leaves nothing and harms no other; each hears of its own outcome once the commit is on the disk.
 * A commit that fails (a full disk) fails every command of its batch. Commands that read much do so outside of the transaction, one
 * after another, while others are committed (read-ahead.ts).
 */
export class Writer {
  readonly #db: Db
  readonly #world: WriterWorld
  readonly #listeners: CommitListener[] = []
  readonly #queue: Waiting[] = []
  readonly #long: Waiting[] = []
  #ahead: ReadAhead | undefined
  #reading: Promise<void> | undefined
  #head: LedgerHead
  #clock: Clock
  #draining: Promise<void> | undefined
  #closed = false

  private constructor(
    db: Db,
    world: WriterWorld,
    { head, setBackAt }: { head: LedgerHead; setBackAt: number | undefined },
  ) {
    this.#db = db
    this.#world = world
    this.#head = head
    this.#clock = { now: head.at, setBackAt }
  }

  static async open(db: Db, now: () => number, world: Partial<WriterWorld> = {}): Promise<Writer> {
    const setBackAt = await findState(db, 'clock_set_back_at')
    const defaults = {
      now,
      gather: () => Promise.resolve(),
      beforeCommit: () => undefined,
      elapsed: () => performance.now(),
    }
    return new Writer(
      db,
      { ...defaults, ...world },
      { head: await findHead(db), setBackAt: setBackAt === undefined ? undefined : Number(setBackAt) },
    )
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
    const waiting: Waiting = {
      command,
      resolve: (outcome) => resolve(outcome as Outcome<K>),
      reject,
      postpone: () => this.#readLater(waiting),
    }
    this.#enqueue(waiting)
    return promise
  }

  /** Tells the listeners of every commit whose commands were answered, wherever that was. Costs nothing when they know. Here they do. */
  catchUp(): void {
    // they heard before any command was answered
  }

  /** Refuses new commands and waits for those that are queued. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#draining !== undefined || this.#reading !== undefined)
      await (this.#draining ?? this.#reading)
  }

  #enqueue(waiting: Waiting): void {
    this.#queue.push(waiting)
    this.#draining ??= this.#drain()
  }

  async #drain(): Promise<void> {
    do {
      await this.#world.gather()
      await this.#commit(this.#queue.splice(0, LARGEST_BATCH))
    } while (this.#queue.length > 0)
    this.#draining = undefined
  }

  #readLater(waiting: Waiting): void {
    this.#long.push(waiting)
    this.#reading ??= this.#runLongCommands()
  }

  async #runLongCommands(): Promise<void> {
    for (let next = this.#long.shift(); next !== undefined; next = this.#long.shift())
      await this.#runLongCommand(next)
    this.#reading = undefined
  }

  /** Reads for a command outside of the transaction, and runs it with what was read, again where this has changed meanwhile. */
  async #runLongCommand(waiting: Waiting): Promise<void> {
    const { command } = waiting
    for (let attempt = 1, isDone = false; !isDone; attempt += 1) {
      const ahead = attempt > MOST_READ_AHEAD ? 'in transaction' : (this.#ahead = new ReadAhead()) // which hears what is committed from before its snapshot on
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

  /** Runs a handler on a snapshot, up to the first statement that would write. What it answers or throws before that is its outcome. */
  async #readFor(command: Command, ahead: ReadAhead): Promise<unknown> {
    const { now, openSnapshot } = this.#world
    if (openSnapshot === undefined) throw new Postponed('there is nothing to read ahead on')
    const snapshot = openSnapshot()
    const db = yielding(snapshot.reader)
    try {
      const head = await findHead(db)
      const clock = { ...this.#clock, now: now() }
      const caller = await new Callers(now).authorize(db, command)
      const read: Change['read'] = async (name, basis, act) => {
        const value = await act(db)
        ahead.keep(name, basis, value)
        return value
      }
      return await handle(
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

  /** How a command in a transaction reads. */
  #readIn(inside: Trx, ahead: Waiting['ahead']): Change['read'] {
    const { elapsed, openSnapshot } = this.#world
    if (ahead === 'in transaction' || openSnapshot === undefined)
      return async (_name, _basis, act) => act(inside)
    if (ahead !== undefined) {
      return async (name, _basis, act) => {
        const taken = ahead.take(name)
        return taken === undefined ? act(inside) : (taken.value as Awaited<ReturnType<typeof act>>)
      }
    }
    const end = elapsed() + LONGEST_READ_MS
    const hasty = refusingAfter(inside, () => elapsed() > end)
    return async (_name, _basis, act) => act(hasty)
  }

  async #commit(taken: readonly Waiting[]): Promise<void> {
    const { elapsed } = this.#world
    const begun = elapsed()
    const before = { head: this.#head, clock: this.#clock }
    const entries: LedgerEntry[] = []
    const settled: Settled[] = []
    try {
      const trx = await this.#db.startTransaction().execute()
      const callers = new Callers(this.#world.now)
      try {
        for (const waiting of taken) {
          // One that writes much is alone in its batch.
          if (settled.length > 0 && (waiting.ahead !== undefined || elapsed() - begun >= LONGEST_BATCH_MS))
            break
          settled.push({ waiting, result: await this.#run(trx, waiting, { entries, callers }) })
        }
        this.#world.beforeCommit()
        await trx.commit().execute()
      } catch (error) {
        await trx
          .rollback()
          .execute()
          .catch(() => undefined) // SQLite may have rolled back by itself
        throw error
      }
    } catch (error) {
      this.#head = await findHead(this.#db).catch(() => before.head) // a commit that failed may be there all the same
      this.#clock = before.clock
      for (const waiting of taken) waiting.reject(translateDiskFull(error))
      return
    }
    this.#queue.unshift(...taken.slice(settled.length))
    this.#ahead?.onCommit(entries)
    const commit: Commit = {
      commands: settled.filter(({ result }) => result !== 'postponed').length,
      durationMs: elapsed() - begun,
      aheadMs: Math.max(this.#head.at - this.#clock.now, 0),
    }
    for (const listener of this.#listeners) listener(entries, commit)
    for (const { waiting, result } of settled) {
      if (result === 'postponed') waiting.postpone()
      else if ('error' in result) waiting.reject(translateDiskFull(result.error))
      else waiting.resolve(result.outcome)
    }
  }

  async #run(
    trx: Trx,
    { command, ahead }: Waiting,
    { entries, callers }: { entries: LedgerEntry[]; callers: Callers },
  ): Promise<Settled['result']> {
    const before = this.#head
    const recorded = entries.length
    const clock = await this.#readClock(trx)
    const at = Math.max(clock.now, before.at + 1)
    const inside = await trx.savepoint('command').execute()
    const record: Change['record'] = async (event, subject = {}) => {
      callers.onRecord(event)
      const appended = await appendEntry(inside, this.#head, {
        at,
        clock,
        actor: command.actor,
        event,
        subject,
      })
      this.#head = appended.head
      entries.push(appended.entry)
    }
    try {
      const caller = await callers.authorize(inside, command)
      const outcome = await handle(
        { trx: inside, at, clock, actor: command.actor, caller, read: this.#readIn(inside, ahead), record },
        command,
      )
      await inside.releaseSavepoint('command').execute()
      return { outcome }
    } catch (error) {
      // A full disk makes SQLite roll the whole transaction back: then the batch fails, for the first reason.
      await inside
        .rollbackToSavepoint('command')
        .execute()
        .catch(() => {
          throw error
        })
      this.#head = before
      entries.length = recorded
      return error instanceof Postponed ? 'postponed' : { error }
    }
  }

  /** Notes, whatever becomes of the command, that the clock was set back behind what was committed, or has caught up. */
  async #readClock(trx: Trx): Promise<Clock> {
    const now = this.#world.now()
    const before = this.#clock.setBackAt
    const setBackAt = this.#head.at - now > MOST_AHEAD_MS ? Math.min(before ?? now, now) : undefined
    if (setBackAt !== before) await setState(trx, 'clock_set_back_at', setBackAt?.toString())
    this.#clock = { now, setBackAt }
    return this.#clock
  }
}

function handle(change: Change, { kind, input }: Command): Promise<unknown> {
  // The table pairs each kind with its own input, which a union of both cannot say.
  const handler = handlers[kind] as (change: Change, input: unknown) => Promise<unknown>
  return handler(change, input)
}

async function refuseToRecord(): Promise<never> {
  throw new Postponed('nothing is written to a snapshot')
}

/** Whether a handler came to what it would write, where it could not. */
function isWriteAttempt(error: unknown): boolean {
  return (
    error instanceof Postponed ||
    (error instanceof Error && 'code' in error && error.code === 'SQLITE_READONLY')
  )
}

function translateDiskFull(error: unknown): unknown {
  return isDiskFull(error)
    ? new DepotError('storage_full', 'the disk of the depot is full; nothing was changed', { cause: error })
    : error
}
