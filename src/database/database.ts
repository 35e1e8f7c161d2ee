import type { Kysely, Transaction } from 'kysely'
import type { Schema } from './schema.ts'

/** The database that a store queries: a read-only connection or the writer's transaction. */
export type Db = Kysely<Schema>

/** A transaction of the writer. */
export type Trx = Transaction<Schema>

/** A connection that cannot write. Whoever opened it closes it. */
export interface Reading {
  readonly reader: Db
  close(): Promise<void>
}

/** The connection of the writer, which belongs to it alone. Whoever opened it closes it. */
export interface Writing {
  readonly writable: Db
  /**
   * Present if other processes write, too. A transaction then begins when it is this writer's turn. This
   * function sends the sequence of its last entry to all processes once the transaction is committed.
   */
  readonly notify?: (trx: Trx, through: number) => Promise<void>
  close(): Promise<void>
}

/** The reads of one answering thread, which run beside its requests. */
export interface Reads {
  /** Returns the database for stores. It has no transactions: each read sees the latest state. */
  db(): Db
  /**
   * Returns the same database, on connections of its own, for look-ups that must not wait until long reads
   * have ended.
   */
  promptDb(): Db
  /**
   * Prepares for requests, which must not wait for a read. Before this call, while the depot opens, reads
   * run in the cheapest way.
   */
  start(): void
  /** Rejects waiting reads with `shutting_down` and lets running reads finish. */
  close(): Promise<void>
}

/**
 * A database of one depot, in SQLite or on a PostgreSQL server. `openEngine` in `engine.ts` chooses. The
 * value itself holds no connection; each `open…` makes one.
 */
export interface Engine {
  /** The database in messages: its file, or its server and name without credentials. */
  readonly name: string
  /**
   * Whether no other process writes to the database. If so, the state in memory, which follows the ledger, is
   * the present one. Otherwise only a transaction knows the present state.
   */
  readonly isWrittenByOneProcess: boolean
  /** Files that exist once the database was migrated, and must stay in place. A server has none. */
  readonly files: readonly string[]
  /** Further such files, which exist while a writer is connected. */
  readonly logFiles: readonly string[]
  /** Creates the database if needed and migrates it. `at` is the present time in epoch milliseconds. */
  migrate(at: number): Promise<void>
  /**
   * Returns the names of the migrations that {@link migrate} would apply. Throws `invalid_request` if the
   * database was made by a later version of this program, or if an applied migration was edited. Changes
   * nothing.
   */
  pendingMigrations(): Promise<readonly string[]>
  /** Migrates the database, and opens it for reading and writing in the calling thread. */
  open(at: number): Promise<Reading & Writing>
  /** Opens a migrated database for the writer. Notifications of its commits name the node `node`. */
  openWriting(node?: string): Promise<Writing>
  /** Connects for the notifications of other processes. Absent if no other process writes. */
  listen?(options: ListenerOptions): Promise<Listener>
  /** Opens a connection for reading, beside processes that write. */
  openReader(): Promise<Reading>
  /**
   * Like {@link openReader}, but every read sees the state of the database at the first read. Callers can
   * create temporary tables. With `refusesWrites`, writes fail with an error that `isReadOnly` recognizes.
   */
  openSnapshot(options?: { readonly refusesWrites?: boolean }): Promise<Reading>
  /**
   * Runs `act` in one transaction for writing copied rows: triggers do not run, and foreign keys are checked
   * at the end. If `act` throws, or a foreign key names an absent row, nothing is written. The database must
   * be migrated, and nobody else may use it.
   */
  load<T>(act: (db: Db) => Promise<T>): Promise<T>
  /**
   * Reads the whole database. Resolves with a sentence about the first damage, or with `undefined` if there
   * is none. Absent if the database is a server, which has tools of its own.
   */
  findDamage?(): Promise<string | undefined>
  /** Opens the reads of an answering thread on a migrated database. */
  openReads(): Reads
}

export interface ListenerOptions {
  /** How long connecting or a query may take, in milliseconds. After that, the connection is given up. */
  readonly timeoutMs: number
  readonly onNotification: (channel: string, payload: string) => void
  /** Called once, when the connection is lost or given up. Not called by {@link Listener.close}. */
  readonly onLost: (error: Error) => void
}

/** A row of a result. 64-bit numbers come as numbers. */
export type Row = Readonly<Record<string, unknown>>

/**
 * A connection that hears notifications and runs small queries, one after another. If the connection hangs
 * or is cut, queries reject after `timeoutMs` at the latest.
 */
export interface Listener {
  /** Reads on this connection. */
  readonly db: Db
  /** Runs a query after earlier ones. An error that the server did not report closes the connection. */
  query<R extends Row = Row>(text: string, values?: readonly unknown[]): Promise<readonly R[]>
  close(): Promise<void>
}
