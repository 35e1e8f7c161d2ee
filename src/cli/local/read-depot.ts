import { expectMigrated, openEngine } from '../../database/engine.ts'
import type { Db } from '../../database/database.ts'
import { expectDepot } from './data-folder.ts'
import type { LocalConfig } from './data-folder.ts'

/**
 * Opens the database of a depot for reading, calls `read`, and closes the database. A server may be running.
 * With `isSnapshot`, all reads see one state of the database. Throws like {@link expectDepot}.
 */
export async function readDepot<T>(
  config: LocalConfig,
  read: (db: Db) => Promise<T>,
  { isSnapshot = false } = {},
): Promise<T> {
  expectDepot(config, 'read')
  const engine = await openEngine(config.database)
  await expectMigrated(engine)
  const database = await (isSnapshot ? engine.openSnapshot() : engine.openReader())
  try {
    return await read(database.reader)
  } finally {
    await database.close()
  }
}
