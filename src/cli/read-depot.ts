import type { Config } from '../config.ts'
import { openReader } from '../database/database.ts'
import type { Db } from '../database/database.ts'
import { expectDepot } from './data-folder.ts'

/** Reads a depot's database, whether or not a server runs on it; all from one state of it with `openSnapshot`. Throws `not_found` where there is no depot yet, and `forbidden` as {@link expectDepot}. */
export async function readDepot<T>(
  config: Config,
  read: (db: Db) => Promise<T>,
  open = openReader,
): Promise<T> {
  expectDepot(config, 'read')
  const database = open(config.databaseFile)
  try {
    return await read(database.reader)
  } finally {
    database.close()
  }
}
