import { join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import type { Db, Engine, Reading, Reads, Writing } from '../database.ts'
import { PACKAGE_ROOT } from '../../package-root.ts'
import { readMigrations } from '../migrations.ts'
import type { Schema } from '../schema.ts'
import { StablePlanDialect } from './compiler.ts'
import { connect, quickCheck, withStatementCache } from './connection.ts'
import { loadRows } from './load.ts'
import { findPending, migrate } from './migrate.ts'
import { ReadingThreads } from './reading-threads.ts'

const MIGRATIONS = join(PACKAGE_ROOT, 'migrations/sqlite')

/** An SQLite file, which one process writes and threads of it read. */
export class SqliteEngine implements Engine {
  readonly isWrittenByOneProcess = true
  readonly #file: string

  constructor(file: string) {
    this.#file = file
  }

  get name(): string {
    return this.#file
  }

  get files(): readonly string[] {
    return [this.#file]
  }

  /** The write-ahead log that SQLite keeps next to the database while a writer is connected. */
  get logFiles(): readonly string[] {
    return [`${this.#file}-wal`]
  }

  async migrate(at: number): Promise<void> {
    this.#connectMigrated(at).close()
  }

  async pendingMigrations(): Promise<readonly string[]> {
    const connection = connect(this.#file, true)
    try {
      return findPending(connection, readMigrations(MIGRATIONS)).map(({ name }) => name)
    } finally {
      connection.close()
    }
  }

  async open(at: number): Promise<Reading & Writing> {
    const writing = keepingUndoInMemory(this.#connectMigrated(at))
    const reading = connect(this.#file, true)
    return {
      reader: kysely(reading),
      writable: kysely(writing),
      async close() {
        reading.close()
        writing.close()
      },
    }
  }

  async openWriting(): Promise<Writing> {
    const writing = keepingUndoInMemory(connect(this.#file, false))
    return { writable: kysely(writing), close: async () => void writing.close() }
  }

  async openReader(): Promise<Reading> {
    const reading = connect(this.#file, true)
    return { reader: kysely(reading), close: async () => void reading.close() }
  }

  async openSnapshot(): Promise<Reading> {
    const reading = connect(this.#file, true)
    reading.exec('BEGIN')
    return { reader: kysely(reading), close: async () => void reading.close() }
  }

  async load<T>(act: (db: Db) => Promise<T>): Promise<T> {
    const connection = connect(this.#file, false)
    try {
      return await loadRows(connection, kysely(connection), act)
    } finally {
      connection.close()
    }
  }

  async findDamage(): Promise<string | undefined> {
    const connection = connect(this.#file, true)
    try {
      return quickCheck(connection)
    } finally {
      connection.close()
    }
  }

  openReads(): Reads {
    return new ReadingThreads(this.#file)
  }

  #connectMigrated(at: number): BetterSqlite3.Database {
    const writing = connect(this.#file, false)
    try {
      migrate(writing, readMigrations(MIGRATIONS), at)
      return writing
    } catch (error) {
      writing.close()
      throw error
    }
  }
}

/**
 * Keeps the journals of savepoints in memory, because writing them to files takes half the time of a large
 * change. Call it after the migrations, which need files because they sort too much data for memory.
 */
function keepingUndoInMemory(connection: BetterSqlite3.Database): BetterSqlite3.Database {
  connection.pragma('temp_store = MEMORY')
  return connection
}

function kysely(connection: BetterSqlite3.Database): Db {
  return new Kysely<Schema>({ dialect: new StablePlanDialect(withStatementCache(connection)) })
}
