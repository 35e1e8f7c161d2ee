import { join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import { DepotError } from '../../errors.ts'
import type { Database, Db } from '../database.ts'
import { PACKAGE_ROOT } from '../../package-root.ts'
import type { Schema } from '../schema.ts'
import { StablePlanDialect } from './compiler.ts'
import { connect, withStatementCache } from './connection.ts'
import { findPending, migrate, readMigrations } from './migrate.ts'

const MIGRATIONS = join(PACKAGE_ROOT, 'migrations/sqlite')

/**
 * Opens the database in `file`. Creates it if it does not exist, and migrates it. `at` is the present time in
 * epoch milliseconds. The caller closes the database.
 */
export function openDatabase(file: string, at: number): Database {
  const writing = keepingUndoInMemory(connectMigrated(file, at))
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

/** Creates the database if needed and migrates it. */
export function migrateDatabase(file: string, at: number): void {
  connectMigrated(file, at).close()
}

/**
 * Throws `invalid_request` if the tables of the database are those of an older or a newer version of this
 * program. Changes nothing.
 */
export function expectMigrated(file: string): void {
  if (pendingMigrations(file).length > 0)
    throw new DepotError(
      'invalid_request',
      `${file} was written by an older hart-depot: start this one on it once, which upgrades it, or use the older one`,
    )
}

/**
 * Returns the names of the migrations that an upgrade of the database would apply. Throws like {@link
 * findPending}. Changes nothing.
 */
export function pendingMigrations(file: string): string[] {
  const connection = connect(file, true)
  try {
    return findPending(connection, readMigrations(MIGRATIONS)).map(({ name }) => name)
  } finally {
    connection.close()
  }
}

/** Opens a migrated database for the writer, in another thread than the reader. The caller closes it. */
export function openWritable(file: string): { writable: Db; close(): void } {
  const writing = keepingUndoInMemory(connect(file, false))
  return { writable: kysely(writing), close: () => writing.close() }
}

/** Opens a read-only connection to a database that another process may be writing. The caller closes it. */
export function openReader(file: string): { reader: Db; close(): void } {
  const reading = connect(file, true)
  return { reader: kysely(reading), close: () => reading.close() }
}

/**
 * Like {@link openReader}, but every read sees the state of the database at the first read. Callers can
 * create temporary tables.
 */
export function openSnapshot(file: string): { reader: Db; close(): void } {
  const reading = connect(file, true)
  reading.exec('BEGIN')
  return { reader: kysely(reading), close: () => reading.close() }
}

/** Returns the write-ahead log that SQLite keeps next to the database while a writer is connected. */
export function walOf(file: string): string {
  return `${file}-wal`
}

/**
 * Keeps the journals of savepoints in memory, because writing them to files takes half the time of a large
 * change. Call it after the migrations, which need files because they sort too much data for memory.
 */
function keepingUndoInMemory(connection: BetterSqlite3.Database): BetterSqlite3.Database {
  connection.pragma('temp_store = MEMORY')
  return connection
}

function connectMigrated(file: string, at: number): BetterSqlite3.Database {
  const writing = connect(file, false)
  try {
    migrate(writing, readMigrations(MIGRATIONS), at)
    return writing
  } catch (error) {
    writing.close()
    throw error
  }
}

function kysely(connection: BetterSqlite3.Database): Db {
  return new Kysely<Schema>({ dialect: new StablePlanDialect(withStatementCache(connection)) })
}
