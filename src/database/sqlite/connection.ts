import BetterSqlite3 from 'better-sqlite3'
import type { SqliteDatabase } from 'kysely'

const CACHE_KIB = 16 * 1024
/** Longer statements are large and rarely used again. */
const MAX_CACHED_SQL_LENGTH = 2_000
const MAX_CACHED_STATEMENTS = 500

/**
 * Opens a connection to an SQLite file. Writers use WAL, and their commits survive a power cut. The caller
 * closes it.
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
 * Caches prepared statements, because preparing one costs as much as running it. Statements are never
 * iterated, so a cached one is never busy.
 */
export function withStatementCache(connection: BetterSqlite3.Database): SqliteDatabase {
  const kept = new Map<string, BetterSqlite3.Statement>()
  return {
    prepare(sql) {
      const known = kept.get(sql)
      if (known !== undefined) return known
      const statement = connection.prepare(sql)
      const [oldest] = kept.keys()
      if (kept.size >= MAX_CACHED_STATEMENTS && oldest !== undefined) kept.delete(oldest)
      if (sql.length <= MAX_CACHED_SQL_LENGTH) kept.set(sql, statement)
      return statement
    },
    close: () => connection.close(),
  }
}

function expectPragma(
  connection: BetterSqlite3.Database,
  name: string,
  value: string,
  reads: string | number,
): void {
  connection.pragma(`${name} = ${value}`)
  const got = connection.pragma(name, { simple: true })
  if (got !== reads) throw new Error(`SQLite answers ${name} = ${String(got)} after it was set to ${value}`)
}
