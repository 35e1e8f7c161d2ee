import type { DatabaseLocation } from '../config/database.ts'
import { DepotError } from '../errors.ts'
import type { Engine } from './database.ts'
import { readNamedFile } from '../config/secret-file.ts'
import { postgresUrlFault } from '../config/database.ts'
import { SqliteEngine } from './sqlite/engine.ts'

// The only place that chooses an engine. The SQL that differs between engines is in `engine-sql.ts`, and
// their errors are in `errors.ts`.

// Locks on folders are small SQLite files on every engine: the operating system releases them.
export { holdData, isHeld, lockData } from './sqlite/lock.ts'
// Backups are SQLite files.
export { copyDatabase } from './sqlite/copy.ts'

/**
 * Returns the engine of a database. If the settings name a file with the URL, reads it, and throws
 * `invalid_request` if the file holds no URL of PostgreSQL.
 */
export async function openEngine(location: DatabaseLocation): Promise<Engine> {
  if (location.engine === 'sqlite') return new SqliteEngine(location.file)
  const { PostgresEngine } = await import('./postgres/engine.ts') // only here is the driver loaded
  const server = { ...location, url: location.url ?? (await readUrl(location.urlFile ?? '')) }
  await (await import('./postgres/tls.ts')).expectTlsFiles(server)
  return new PostgresEngine(server)
}

async function readUrl(file: string): Promise<string> {
  const url = await readNamedFile(file, 'DEPOT_DATABASE_URL_FILE')
  const fault = postgresUrlFault(url)
  if (fault === undefined) return url
  throw new DepotError('invalid_request', `the URL in ${file}, which DEPOT_DATABASE_URL_FILE names, ${fault}`)
}

/**
 * Throws `invalid_request` if the tables of the database are those of an older or a newer version of this
 * program. Changes nothing.
 */
export async function expectMigrated(engine: Engine): Promise<void> {
  if ((await engine.pendingMigrations()).length > 0)
    throw new DepotError(
      'invalid_request',
      `${engine.name} has no tables yet, or those of an older hart-depot: start this version on it once, which makes them, or use the older one`,
    )
}
