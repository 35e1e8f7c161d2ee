// EFBIG: the process may not make a file so large.
const DISK_FULL: readonly unknown[] = ['SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'EFBIG']

/** Reports whether an error of the database or the file system says that the disk is full. */
export function isDiskFull(error: unknown): boolean {
  return DISK_FULL.includes(codeOf(error))
}

/** Reports whether the database refused a write because the connection can only read. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_READONLY'
}

/** Reports whether a part of the database that was read is damaged. */
export function isDamaged(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(String(codeOf(error)))
}

/**
 * Reports whether a file of the database could not be opened: it is unreadable, or the process has too many
 * files open.
 */
export function cannotOpen(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_CANTOPEN'
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Explanations by the first part of SQLite's code (sqlite.org/rescode.html). */
const SENTENCES: Readonly<Record<string, string>> = {
  SQLITE_CANTOPEN: 'the database cannot be opened: check DEPOT_DATA and DEPOT_DATABASE_URL',
  SQLITE_NOTADB: 'the database file is not a SQLite database: check DEPOT_DATA and DEPOT_DATABASE_URL',
  SQLITE_CORRUPT: 'the database is damaged: restore it from a backup',
  SQLITE_FULL: 'there is no space left for the database',
  SQLITE_READONLY: 'the database is read-only: its files or their folder belong to another user',
  SQLITE_PERM: 'access to the database is denied: its files belong to another user',
  SQLITE_IOERR: 'the disk failed to read or write the database',
  SQLITE_BUSY: 'the database is in use by another program',
  SQLITE_LOCKED: 'the database is in use by another program',
}

/** Explains an error of SQLite to the operator. Returns `undefined` for other errors. */
export function describeDatabaseError(error: Error): string | undefined {
  const code = String(codeOf(error))
  return Object.entries(SENTENCES).find(([known]) => code === known || code.startsWith(`${known}_`))?.[1]
}
