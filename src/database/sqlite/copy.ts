import BetterSqlite3 from 'better-sqlite3'
import { connect, quickCheck } from './connection.ts'

const PAGES_IN_A_STEP = 1_000

/**
 * Copies the present state of a database to a new file. Other processes may write to the database meanwhile.
 * Calls `onBytes` with the number of bytes of each step. The next step waits until `onBytes` returns. The
 * copy needs no write-ahead log, so it can also be read on a read-only disk. The caller syncs the copy.
 * Throws an error with the code `SQLITE_CORRUPT` if the database is damaged.
 */
export async function copyDatabase(
  file: string,
  copy: string,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<void> {
  const reading = connect(file, true)
  try {
    // Without a transaction, the copy would start again after each commit of another process.
    reading.exec('BEGIN')
    const pageBytes = reading.pragma('page_size', { simple: true }) as number
    reading.prepare('SELECT count(*) FROM sqlite_schema').get() // the first read fixes the state that is copied
    let left: number | undefined
    await reading.backup(copy, {
      progress: ({ totalPages, remainingPages }) => {
        onBytes(((left ?? totalPages) - remainingPages) * pageBytes)
        left = remainingPages
        return PAGES_IN_A_STEP
      },
    })
  } finally {
    reading.close()
  }
  const copied = new BetterSqlite3(copy)
  try {
    copied.pragma('journal_mode = DELETE')
    const fault = quickCheck(copied)
    if (fault !== undefined) throw new BetterSqlite3.SqliteError(fault, 'SQLITE_CORRUPT')
  } finally {
    copied.close()
  }
}
