import type { Actor, Authority } from '../access/access.ts'
import type { Db, Trx } from '../database/database.ts'
import type { Clock } from '../clock.ts'
import type { LedgerEntry, LedgerEvent } from './entry.ts'
import type { EntrySubject } from './ledger-store.ts'
import type { Basis } from './read-ahead.ts'

/**
 * The argument that the writer passes to a command's handler: the transaction, the commit time in epoch
 * milliseconds (later than that of any earlier entry), the wall clock for durations, the caller and its
 * rights in this transaction, and functions to read and to record. The command's requirement
 * (requirements.ts) is already met; the handler checks what depends on the state of a view or an origin. A
 * handler awaits only `trx`, `read` and `record`, and throws to undo everything. It may run more than once,
 * and all but the last run leave nothing.
 */
export interface CommandContext {
  readonly trx: Trx
  readonly at: number
  readonly clock: Clock
  readonly actor: Actor
  readonly caller: Authority
  /**
   * Runs a read that may be long, on a snapshot or in the transaction (read-ahead.ts). `name` is unique
   * within the handler.
   */
  read<Value>(name: string, basis: Basis, read: (db: Db) => Promise<Value>): Promise<Value>
  /** Appends an entry to the ledger. */
  record(event: LedgerEvent, subject?: EntrySubject): Promise<LedgerEntry>
}
