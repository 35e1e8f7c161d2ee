import type { Config } from '../config.ts'
import { expectMigrated, openReader } from '../database/engine.ts'
import type { Db } from '../database/database.ts'
import { expectDepot } from './data-folder.ts'

/**
 * Reads the database of a depot, whether or not a server is running. With `openSnapshot` as `open`, all reads see one
 * state of the database. Throws `not_found` if there is no depot, and `forbidden` like {@link expectDepot}.
 */
export async function readDepot<T>(
  config: Config,
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
