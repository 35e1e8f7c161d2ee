import type { Reading, Writing } from '../database/database.ts'

export interface WriterOptions {
  readonly now: () => number
  /**
   * Awaited before each batch. Commands that arrive meanwhile join the batch. By default, waits for commands
   * of the same turn.
   */
  readonly gather: () => Promise<unknown>
  /**
   * Called at the last moment before a batch is committed, and before a snapshot is opened. If it throws, the
   * commands fail with that error.
   */
  readonly beforeCommit: () => void
  /** Milliseconds of a monotonic clock. */
  readonly elapsed: () => number
  /**
   * Opens a snapshot of the database outside the writer's transactions. Without it, all reads run in
   * transactions.
   */
  readonly openSnapshot?: (() => Promise<Reading>) | undefined
  /** See {@link Writing.notify}. */
  readonly notify?: Writing['notify']
  /**
   * Called after each commit, and after each command that ends on a snapshot, with the last sequence that its
   * commands may have read. The callers get their outcomes once it resolves, and its error if it rejects.
   */
  readonly acknowledge?: (sequence: number) => Promise<void>
}
