import { expectMigrated, openReader } from '../../database/engine.ts'
import type { Db } from '../../database/database.ts'
import { expectDepot } from './data-folder.ts'
import type { LocalConfig } from './data-folder.ts'

/**
 * Opens the database of a depot for reading, calls `read`, and closes the database. A server may be running.
 * With `openSnapshot` for `open`, all reads see one state of the database. Throws like {@link expectDepot}.
 */
export async function readDepot<T>(
  config: LocalConfig,
  read: (db: Db) => Promise<T>,
  open = openReader,
): Promise<T> {
  expectDepot(config, 'read')
  expectMigrated(config.databaseFile)
  const database = open(config.databaseFile)
  try {
    return await read(database.reader)
  } finally {
    database.close()
  }
}
