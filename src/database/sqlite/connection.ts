import BetterSqlite3 from 'better-sqlite3'
import type { SqliteDatabase } from 'kysely'

const CACHE_KIB = 16 * 1024
/** Longer statements are not cached: they take much memory, and are rarely used again. */
const MAX_CACHED_SQL_LENGTH = 2_000
const MAX_CACHED_STATEMENTS = 500

/**
 * Opens a connection to an SQLite file. A connection that may write uses a write-ahead log, and its commits
 * survive a power cut. The caller closes it.
 */
export function connect(file: string, readonly: boolean, cacheKib = CACHE_KIB): BetterSqlite3.Database {
  const connection = new BetterSqlite3(file, { readonly, fileMustExist: readonly, timeout: 5_000 })
  if (!readonly) {
    expectPragma(connection, 'journal_mode', 'WAL', 'wal')
    expectPragma(connection, 'synchronous', 'FULL', 2)
  }
  expectPragma(connection, 'foreign_keys', 'ON', 1)
  connection.pragma(`cache_size = -${cacheKib}`)
  return connection
}

/**
 * Adds a cache of prepared statements to a connection, because preparing one costs as much as running it.
 * Every statement runs to its end at once, so a cached one is never busy.
 */
export function withStatementCache(connection: BetterSqlite3.Database): SqliteDatabase {
  const cached = new Map<string, BetterSqlite3.Statement>()
  return {
    prepare(sql) {
      const known = cached.get(sql)
      if (known !== undefined) return known
      const statement = connection.prepare(sql)
      const [oldest] = cached.keys()
      if (cached.size >= MAX_CACHED_STATEMENTS && oldest !== undefined) cached.delete(oldest)
      if (sql.length <= MAX_CACHED_SQL_LENGTH) cached.set(sql, statement)
      return statement
    },
    close: () => connection.close(),
  }
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
