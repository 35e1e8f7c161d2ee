import type BetterSqlite3 from 'better-sqlite3'
import type { Db } from '../database.ts'

/** See {@link Engine.load}. `db` must write through the connection. */
export async function loadRows<T>(
  connection: BetterSqlite3.Database,
  db: Db,
  act: (db: Db) => Promise<T>,
): Promise<T> {
  connection.pragma('foreign_keys = OFF') // has no effect in a transaction
  connection.exec('BEGIN IMMEDIATE')
  try {
    const triggers = connection
      .prepare<[], { name: string; sql: string }>(
        `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name`,
      )
      .all()
    for (const { name } of triggers) connection.exec(`DROP TRIGGER "${name}"`)
    const result = await act(db)
    for (const { sql } of triggers) connection.exec(sql)
    const [broken] = connection.pragma('foreign_key_check') as { table: string; parent: string }[]
    if (broken !== undefined)
      throw new Error(`a row of ${broken.table} names a row of ${broken.parent} that does not exist`)
    connection.exec('COMMIT')
    return result
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK')
    throw error
  }
}
