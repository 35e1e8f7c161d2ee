import { isReadOnly } from '../database/errors.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { Postponed, ReadAhead, nextTurn } from '../ledger/read-ahead.ts'
import type { CommandIn, Handlers } from './command-table.ts'
import type { SnapshotRun } from './snapshot-run.ts'

/** A command that waits for the writer. */
export interface QueuedCommand<T extends Handlers> {
  readonly command: CommandIn<T>
  /**
   * The results of the command's reads on a snapshot. With `in transaction`, the command reads in the
   * transaction, however long that takes. Absent when a command first comes to the writer: it then reads in
   * the transaction for a limited time, and becomes a long command if that is not enough.
   */
  readonly readAhead?: ReadAhead | 'in transaction'
  resolve(outcome: unknown): void
  reject(error: unknown): void
  /**
   * Called instead of `resolve` and `reject` if the reads took too long or their results became invalid.
   * Nothing was changed, and the command must run again.
   */
  postpone(): void
}

/** What long commands need of the writer. */
interface LongCommandWriter<T extends Handlers> {
  enqueue(queued: QueuedCommand<T>): void
  /** Runs a handler on a snapshot. Rejects if the snapshot cannot be read. */
  runOnSnapshot(command: CommandIn<T>, ahead: ReadAhead): Promise<SnapshotRun>
  /** Gives a caller the outcome of such a run. */
  answer(queued: QueuedCommand<T>, run: SnapshotRun): void
}

/** How often a command reads on a snapshot, before it reads in the transaction instead. */
const MAX_READ_AHEAD_ATTEMPTS = 3

/**
 * Runs commands that read much, one after another. Each first reads on a snapshot, outside of the
 * transaction, while others commit. Then it runs in a transaction with the results of these reads
 * (read-ahead.ts).
 */
export class LongCommands<T extends Handlers> {
  readonly #writer: LongCommandWriter<T>
  readonly #queue: QueuedCommand<T>[] = []
  #readAhead: ReadAhead | undefined
  #running: Promise<void> | undefined

  constructor(writer: LongCommandWriter<T>) {
    this.#writer = writer
  }

  /** Resolves when no command is left. `undefined` if there is none now. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  /** Whether a command reads on a snapshot, or waits with what it has read. */
  get isReading(): boolean {
    return this.#readAhead !== undefined && this.#running !== undefined
  }

  add(queued: QueuedCommand<T>): void {
    this.#queue.push(queued)
    this.#running ??= this.#runAll()
  }

  /**
   * Takes the entries of each commit, also of one that ended with an error, because its rows may have been
   * written all the same.
   */
  onCommit(entries: readonly LedgerEntry[]): void {
    this.#readAhead?.onCommit(entries)
  }

  async #runAll(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await this.#run(next)
    this.#running = undefined
  }

  /**
   * Runs a command's reads, then the command with the results. Repeats both if the results became invalid.
   * After {@link MAX_READ_AHEAD_ATTEMPTS}, the command reads in the transaction.
   */
  async #run(queued: QueuedCommand<T>): Promise<void> {
    const { command } = queued
    for (let attempt = 1, isDone = false; !isDone; attempt += 1) {
      let readAhead: ReadAhead | 'in transaction' = 'in transaction'
      if (attempt <= MAX_READ_AHEAD_ATTEMPTS) {
        readAhead = new ReadAhead()
        this.#readAhead = readAhead // before the snapshot is opened, so that it gets every commit since
        try {
          const run = await this.#writer.runOnSnapshot(command, readAhead)
          if (!('error' in run.result && isWriteAttempt(run.result.error)))
            return this.#writer.answer(queued, run)
        } catch (error) {
          if (!isWriteAttempt(error)) return queued.reject(error)
        }
        await nextTurn() // commands that came during the last read go first
      }
      const { promise: done, resolve: settle } = Promise.withResolvers<boolean>()
      this.#writer.enqueue({
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
}

/** Reports whether a handler on a snapshot reached its first write. */
function isWriteAttempt(error: unknown): boolean {
  return error instanceof Postponed || isReadOnly(error)
}
