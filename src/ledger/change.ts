import type { Actor, Authority } from '../access/access.ts'
import type { Db, Trx } from '../database/database.ts'
import type { Clock } from '../clock.ts'
import type { LedgerEvent } from './entry.ts'
import type { EntrySubject } from './ledger-store.ts'
import type { Basis } from './read-ahead.ts'

/**
 * What the writer hands a command's handler: its transaction, the commit's time in epoch milliseconds (later than that of any
 * entry before), the wall clock, by which durations are measured, who asked, their rights as they are in this transaction, and the
 * ledger. The requirement of the command (requirements.ts) holds already; what depends on the state of a view or an origin, the
 * handler asks. A handler awaits nothing but `trx`, `read` and `record`, and throws to undo all it did.
 */
export interface Change {
  readonly trx: Trx
  readonly at: number
  readonly clock: Clock
  readonly actor: Actor
  readonly caller: Authority
  /**
   * Reads what may be much. Nothing is written before a handler's last read, or that read is always made in the transaction, however long
   * it takes; so handlers may run up to their first write more than once (read-ahead.ts). `name` is unique within the handler.
   */
  read<Value>(name: string, basis: Basis, read: (db: Db) => Promise<Value>): Promise<Value>
  record(event: LedgerEvent, subject?: EntrySubject): Promise<void>
}
