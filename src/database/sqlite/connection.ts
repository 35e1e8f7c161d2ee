import { existsSync } from 'node:fs'
import BetterSqlite3 from 'better-sqlite3'
import type { SqliteDatabase, SqliteStatement } from 'kysely'
import { cannotStoreNul, hasNul } from '../errors.ts'
import { giveToOwner } from '../make-folder.ts'

const CACHE_KIB = 16 * 1024
/** Longer statements are not cached: they take much memory, and are rarely used again. */
const MAX_CACHED_SQL_LENGTH = 2_000
const MAX_CACHED_STATEMENTS = 500
const WRITES = /^(insert|update)\b/i

/**
 * Opens a connection to an SQLite file. A connection that may write uses a write-ahead log, and its commits
 * survive a power cut. The caller closes it.
 */
export function connect(file: string, readonly: boolean, cacheKib = CACHE_KIB): BetterSqlite3.Database {
  const isNew = !readonly && !existsSync(file)
  const connection = new BetterSqlite3(file, { readonly, fileMustExist: readonly, timeout: 5_000 })
  if (isNew) giveToOwner(file) // before SQLite makes the log, which gets the owner of the database
  if (!readonly) {
    expectPragma(connection, 'journal_mode', 'WAL', 'wal')
    expectPragma(connection, 'synchronous', 'FULL', 2)
  }
  expectPragma(connection, 'foreign_keys', 'ON', 1)
  connection.pragma(`cache_size = -${cacheKib}`)
  return connection
}

/**
 * Reads all pages of a database, and returns the first fault that it finds. SQLite throws some faults
 * instead, with the code `SQLITE_CORRUPT`.
 */
export function quickCheck(connection: BetterSqlite3.Database): string | undefined {
  const fault = String(connection.pragma('quick_check(1)', { simple: true }))
  return fault === 'ok' ? undefined : fault
}

/**
 * Adds a cache of prepared statements to a connection, because preparing one costs as much as running it.
 * Every statement runs to its end at once, so a cached one is never busy.
 */
export function withStatementCache(connection: BetterSqlite3.Database): SqliteDatabase {
  const cached = new Map<string, SqliteStatement>()
  return {
    prepare(sql) {
      const known = cached.get(sql)
      if (known !== undefined) return known
      const prepared = connection.prepare(sql)
      const statement = WRITES.test(sql) ? withoutNul(prepared) : prepared
      const [oldest] = cached.keys()
      if (cached.size >= MAX_CACHED_STATEMENTS && oldest !== undefined) cached.delete(oldest)
      if (sql.length <= MAX_CACHED_SQL_LENGTH) cached.set(sql, statement)
      return statement
    },
    close: () => connection.close(),
  }
}

/** Returns a statement that throws `invalid_request` for a text with a NUL character. */
function withoutNul(statement: BetterSqlite3.Statement): SqliteStatement {
  return {
    reader: statement.reader,
    all: (parameters) => statement.all(storable(parameters)),
    run: (parameters) => statement.run(storable(parameters)),
    iterate: (parameters) => statement.iterate(storable(parameters)),
  }
}

function storable(parameters: readonly unknown[]): readonly unknown[] {
  if (parameters.some(hasNul)) throw cannotStoreNul()
  return parameters
}

/**
 * Sets a pragma. Throws if SQLite has not accepted it: SQLite silently ignores a value that it does not
 * support.
 */
function expectPragma(
  connection: BetterSqlite3.Database,
  name: string,
  value: string,
  expected: string | number,
): void {
  connection.pragma(`${name} = ${value}`)
  const got = connection.pragma(name, { simple: true })
  if (got !== expected)
    throw new Error(`SQLite answers ${name} = ${String(got)} after it was set to ${value}`)
}
