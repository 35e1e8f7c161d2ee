import type { Actor, Authority } from '../access/access.ts'
import type { Db, Trx } from '../database/database.ts'
import type { Clock } from '../clock.ts'
import type { LedgerEntry, LedgerEvent } from './entry.ts'
import type { SubjectIds } from './ledger-store.ts'
import type { Basis } from './read-ahead.ts'

/**
 * What the writer passes to a command's handler. The caller already meets the command's requirement
 * (commands/requirements.ts); the handler checks what depends on the state of a view or an origin. A handler
 * must await nothing but `trx`, `read` and `record`. If it throws, everything is undone. The writer may run a
 * handler more than once, and keeps the effects of the last run only.
 */
export interface CommandContext {
  readonly trx: Trx
  /** The commit time in epoch milliseconds, later than that of any earlier entry. */
  readonly at: number
  /** The wall clock, for durations. */
  readonly clock: Clock
  /** The author of the command, for the ledger. */
  readonly actor: Actor
  /** The rights of the author in this transaction. */
  readonly caller: Authority
  /**
   * Runs a read that may be long, on a snapshot or in the transaction (read-ahead.ts). `name` must be unique
   * within the handler. `basis` says which changes make the result outdated.
   */
  read<Value>(name: string, basis: Basis, read: (db: Db) => Promise<Value>): Promise<Value>
  /** Appends an entry to the ledger. */
  record(event: LedgerEvent, subject?: SubjectIds): Promise<LedgerEntry>
}
