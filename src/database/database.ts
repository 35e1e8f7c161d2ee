import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import type { ControlledTransaction, SqliteDatabase } from 'kysely'
import { migrate, readMigrations } from './migrate.ts'
import type { Schema } from './schema.ts'

/** What a store's query runs on: the read-only connection, or the writer's transaction. */
export type Db = Kysely<Schema>

export type Trx = ControlledTransaction<Schema, string[]>

/** Two connections to one SQLite file: `reader` cannot write, `writable` belongs to the writer alone. */
export interface Database {
  readonly reader: Db
  readonly writable: Db
  close(): void
}

const MIGRATIONS = fileURLToPath(new URL('../../migrations/sqlite', import.meta.url))
const CACHE_KIB = 64 * 1024

/**
 * Opens and, where needed, creates and migrates the database in `file`. Journal mode WAL, `synchronous=FULL` (a commit that
 * returned survives a power cut) and foreign keys are set and asserted. The caller closes it.
 */
export function openDatabase(file: string, at: number): Database {
  const writing = connect(file, false)
  try {
    migrate(writing, readMigrations(MIGRATIONS), at)
  } catch (error) {
    writing.close()
    throw error
  }
  const reading = connect(file, true)
  return {
    reader: kysely(reading),
    writable: kysely(writing),
    close() {
      reading.close()
      writing.close()
    },
  }
}

/** For a look at a database that another process may be writing. The caller closes it. */
export function openReader(file: string): { reader: Db; close(): void } {
  const reading = connect(file, true)
  return { reader: kysely(reading), close: () => reading.close() }
}

/** As {@link openReader}, of one state of the database, however long the look takes. It may keep tables of its own (`TEMP`). */
export function openSnapshot(file: string): { reader: Db; close(): void } {
  const reading = connect(file, true)
  reading.exec('BEGIN')
  return { reader: kysely(reading), close: () => reading.close() }
}

function kysely(connection: BetterSqlite3.Database): Db {
  return new Kysely<Schema>({ dialect: new SqliteDialect({ database: keepingStatements(connection) }) })
}

/** Those of sets of many sizes are each used rarely, and large. */
const LONGEST_KEPT_SQL = 2_000
const MOST_STATEMENTS = 500

/** Prepares each statement once: that costs a small one as much as running it. Nothing here iterates, so that none is busy when it is used again. */
function keepingStatements(connection: BetterSqlite3.Database): SqliteDatabase {
  const kept = new Map<string, BetterSqlite3.Statement>()
  return {
    prepare(sql) {
      const known = kept.get(sql)
      if (known !== undefined) return known
      const statement = connection.prepare(sql)
      const [oldest] = kept.keys()
      if (kept.size >= MOST_STATEMENTS && oldest !== undefined) kept.delete(oldest)
      if (sql.length <= LONGEST_KEPT_SQL) kept.set(sql, statement)
      return statement
    },
    close: () => connection.close(),
  }
}

function connect(file: string, readonly: boolean): BetterSqlite3.Database {
  const connection = new BetterSqlite3(file, { readonly, fileMustExist: readonly, timeout: 5_000 })
  if (!readonly) {
    expectPragma(connection, 'journal_mode', 'WAL', 'wal')
    expectPragma(connection, 'synchronous', 'FULL', 2)
  }
  expectPragma(connection, 'foreign_keys', 'ON', 1)
  connection.pragma(`cache_size = -${CACHE_KIB}`)
  return connection
}

// EFBIG: the process may not make a file so large.
const DISK_FULL: readonly unknown[] = ['SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'EFBIG']

/** Whether the error is the disk's, for want of room. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DISK_FULL.includes(error.code)
}

function expectPragma(connection: BetterSqlite3.Database, name: string, value: string, reads: string | number): void {
  connection.pragma(`${name} = ${value}`)
  const got = connection.pragma(name, { simple: true })
  if (got !== reads) throw new Error(`SQLite answers ${name} = ${String(got)} after it was set to ${value}`)
}
