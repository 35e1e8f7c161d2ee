import type { DatabaseLocation } from '../config/database.ts'
import { DepotError } from '../errors.ts'
import type { Engine } from './database.ts'
import { SqliteEngine } from './sqlite/engine.ts'

// The only place that chooses an engine. The SQL that differs between engines is in `engine-sql.ts`, and
// their errors are in `errors.ts`.

// Locks on folders are small SQLite files on every engine: the operating system releases them.
export { holdData, isHeld, lockData } from './sqlite/lock.ts'
// Backups are SQLite files.
export { copyDatabase } from './sqlite/copy.ts'

/** Returns the engine of a database. */
export async function openEngine(location: DatabaseLocation): Promise<Engine> {
  return new SqliteEngine(location.file)
}

/**
 * Throws `invalid_request` if the tables of the database are those of an older or a newer version of this
 * program. Changes nothing.
 */
export async function expectMigrated(engine: Engine): Promise<void> {
  if ((await engine.pendingMigrations()).length > 0)
    throw new DepotError(
      'invalid_request',
      `${engine.name} was written by an older hart-depot: start this one on it once, which upgrades it, or use the older one`,
    )
}
