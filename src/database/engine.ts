// The engine of this depot: SQLite. The rest of `src/` opens databases and interprets their errors through
// this file, and writes the SQL that differs between engines through `engine-sql.ts`. To choose another
// engine, change this file.

export { isDiskFull, isReadOnly, cannotOpen } from './sqlite/errors.ts'
export { copyDatabase } from './sqlite/copy.ts'
export { holdData, isHeld, lockData } from './sqlite/lock.ts'
export {
  expectMigrated,
  migrateDatabase,
  openDatabase,
  openReader,
  openSnapshot,
  openWritable,
  pendingMigrations,
  walOf,
} from './sqlite/open.ts'
export { ReadingThreads } from './sqlite/reading-threads.ts'

/**
 * Whether no other process writes to the database. If so, the state in memory, which follows the ledger, is
 * the present one. For PostgreSQL this would be false: other nodes write too, and only a transaction knows
 * the present state.
 */
export const IS_WRITTEN_BY_ONE_PROCESS: boolean = true
