// The engine of this depot: SQLite. The rest of `src/` opens databases and interprets their errors through this file, and
// writes the SQL that differs between engines through `engine-sql.ts`. Another engine is chosen here.

export { describeDatabaseError, isDiskFull, isReadOnly, isUnopened } from './sqlite/errors.ts'
export { lockData } from './sqlite/lock.ts'
export { migrateDatabase, openDatabase, openReader, openSnapshot, openWriting, walOf } from './sqlite/open.ts'
export { ReadingThreads } from './sqlite/reading-threads.ts'
