import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'

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
 * Applies the missing migrations, each in its own transaction, so that a crash leaves only whole migrations.
 * Throws if the database is newer than this program, or if an applied migration was edited. Kysely's migrator
 * is not used, because it is not transactional on SQLite. `at` is the present time in epoch milliseconds.
 */
export function migrate(
  connection: BetterSqlite3.Database,
  migrations: readonly Migration[],
  at: number,
): void {
  connection.exec(`CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT`)
  const applied = connection
    .prepare<[], { name: string; checksum: string }>('SELECT name, checksum FROM migrations ORDER BY number')
    .all()
  if (applied.length > migrations.length) {
    throw new Error(
      `the database was made by a newer hart-depot: it has ${applied.at(-1)?.name}, which this one does not know`,
    )
  }
  for (const [index, migration] of migrations.entries()) {
    const before = applied[index]
    if (before === undefined) {
      connection
        .transaction(() => {
          connection.exec(migration.sql)
          connection
            .prepare('INSERT INTO migrations VALUES (?, ?, ?, ?)')
            .run(index + 1, migration.name, migration.checksum, at)
        })
        .immediate()
    } else if (before.checksum !== migration.checksum) {
      throw new Error(`the migration ${before.name} was changed after it was applied to this database`)
    }
  }
}
