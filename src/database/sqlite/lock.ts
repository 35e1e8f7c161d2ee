import BetterSqlite3 from 'better-sqlite3'
import { DepotError } from '../../errors.ts'

/**
 * Locks a folder for this process, with an exclusive transaction on the small SQLite file `file` in it. The
 * operating system releases the lock when the process ends, even after a crash. Throws `data_in_use` if
 * another process holds the lock.
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
