import BetterSqlite3 from 'better-sqlite3'
import { DepotError } from '../errors.ts'

/**
 * Holds a data directory for one process, by an exclusive transaction on a small SQLite file of its own: the operating system
 * lets go of it with the process, however that ends. Throws `data_in_use` when another process holds it. Close it to let go.
 */
export function lockData(file: string): { close(): void } {
  const connection = new BetterSqlite3(file, { timeout: 0 })
  try {
    connection.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    connection.close()
    if (error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
      throw new DepotError('data_in_use', `another hart-depot is running on ${file.replace(/[^/]*$/, '')}`, {
        cause: error,
      })
    }
    throw error
  }
  return { close: () => connection.close() }
}
