import BetterSqlite3 from 'better-sqlite3'
import { pendingAmong } from '../migrations.ts'
import type { AppliedMigration, Migration } from '../migrations.ts'

/**
 * Applies the missing migrations in one transaction, so that an upgrade that fails or is killed leaves the
 * database as it was. Throws like {@link findPending}, and a `SqliteError` that names the migration if one
 * fails. Kysely's migrator is not used, because it is not transactional on SQLite. `at` is the present time
 * in epoch milliseconds.
 */
export function migrate(
  connection: BetterSqlite3.Database,
  migrations: readonly Migration[],
  at: number,
): void {
  const pending = findPending(connection, migrations)
  if (pending.length === 0) return
  connection
    .transaction(() => {
      connection.exec(`CREATE TABLE IF NOT EXISTS migrations (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`)
      const record = connection.prepare('INSERT INTO migrations VALUES (?, ?, ?, ?)')
      for (const { name, sql, checksum } of pending) {
        runSql(connection, name, sql)
        record.run(Number(name.slice(0, 4)), name, checksum, at)
      }
    })
    .immediate()
}

function runSql(connection: BetterSqlite3.Database, name: string, sql: string): void {
  try {
    connection.exec(sql)
  } catch (error) {
    if (!(error instanceof BetterSqlite3.SqliteError)) throw error
    throw new BetterSqlite3.SqliteError(
      `the migration ${name} failed: ${error.message}. The database is as it was`,
      error.code,
    )
  }
}

/** Returns the migrations that a database lacks. Throws like {@link pendingAmong}. Changes nothing. */
export function findPending(
  connection: BetterSqlite3.Database,
  migrations: readonly Migration[],
): readonly Migration[] {
  const isNew =
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").pluck().get() === undefined
  if (isNew) return migrations
  const applied = connection
    .prepare<[], AppliedMigration>('SELECT name, checksum FROM migrations ORDER BY number')
    .all()
  return pendingAmong(applied, migrations)
}
