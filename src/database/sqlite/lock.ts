import BetterSqlite3 from 'better-sqlite3'
import { DepotError } from '../../errors.ts'
import { giveToOwner } from '../make-folder.ts'
import { isDiskFull } from './errors.ts'

// Locks on small SQLite files. The operating system releases them when the process ends, even after a crash.

/**
 * Locks a folder for this process, with an exclusive transaction on the file `file` in it. Throws
 * `data_in_use` if another process holds the lock.
 */
export function lockData(file: string): { close(): void } {
  const connection = new BetterSqlite3(file, { timeout: 0 })
  try {
    giveToOwner(file)
    connection.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    connection.close()
    throw inUse(file, error)
  }
  return { close: () => connection.close() }
}

/**
 * Takes a shared lock: any number of processes can have it at the same time, but not while one has the lock
 * of {@link lockData}. Waits up to 5 s, because {@link isHeld} locks the file for a moment, and then throws
 * `data_in_use`. With `mustExist`, opens the file read-only and throws if it does not exist.
 */
export function holdData(file: string, { mustExist = false } = {}): { close(): void } {
  const connection = new BetterSqlite3(file, {
    readonly: mustExist,
    fileMustExist: mustExist,
    timeout: 5_000,
  })
  try {
    if (!mustExist) giveToOwner(file)
    connection.exec('BEGIN')
    connection.prepare('SELECT count(*) FROM sqlite_schema').get() // takes the lock
  } catch (error) {
    connection.close()
    throw inUse(file, error)
  }
  return { close: () => connection.close() }
}

/**
 * Reports whether a process has a lock on the file, of either kind. A file that cannot be locked for another
 * reason counts as held, too. The exception is a full disk: SQLite takes the lock before it first writes, so
 * the lock was free.
 */
export function isHeld(file: string): boolean {
  let connection: BetterSqlite3.Database | undefined
  try {
    connection = new BetterSqlite3(file, { timeout: 0 })
    connection.exec('BEGIN EXCLUSIVE')
    return false
  } catch (error) {
    if (error instanceof BetterSqlite3.SqliteError) return !isDiskFull(error)
    throw error
  } finally {
    connection?.close()
  }
}

function inUse(file: string, error: unknown): unknown {
  if (!(error instanceof BetterSqlite3.SqliteError && error.code.startsWith('SQLITE_BUSY'))) return error
  const folder = file.replace(/[^/]*$/, '')
  return new DepotError('data_in_use', `another hart-depot is running on ${folder}`, { cause: error })
}
