import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { DepotError } from '../../errors.ts'

export interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * Reads the files `NNNN-subject.sql` of a folder in the order of their numbers, which count from 1 without
 * gaps.
 */
export function readMigrations(folder: string): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
  return names.map((name, index) => {
    if (Number(name.slice(0, 4)) !== index + 1)
      throw new Error(`${join(folder, name)} is out of sequence: its number should be ${index + 1}`)
    const sql = readFileSync(join(folder, name), 'utf8')
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

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

/**
 * Returns the migrations that a database lacks. Throws `invalid_request` if the database was made by a later
 * version of this program, or if an applied migration was edited.
 */
export function findPending(
  connection: BetterSqlite3.Database,
  migrations: readonly Migration[],
): readonly Migration[] {
  const isNew =
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").pluck().get() === undefined
  if (isNew) return migrations
  const applied = connection
    .prepare<[], { name: string; checksum: string }>('SELECT name, checksum FROM migrations ORDER BY number')
    .all()
  if (applied.length > migrations.length)
    throw new DepotError(
      'invalid_request',
      `the database was made by a newer hart-depot: it has ${applied.at(-1)?.name}, which this one does not know. Use the newer one`,
    )
  for (const [index, { name, checksum }] of applied.entries())
    if (migrations[index]?.checksum !== checksum)
      throw new DepotError(
        'invalid_request',
        `the migration ${name} was changed after it was applied to this database`,
      )
  return migrations.slice(applied.length)
}
