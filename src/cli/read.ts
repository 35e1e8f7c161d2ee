import { existsSync } from 'node:fs'
import type { Config } from '../config.ts'
import { openReader } from '../database/database.ts'
import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import { expectOpen } from './whose.ts'

/** Reads a depot's database, whether or not a server runs on it; all from one state of it with `openSnapshot`. Throws `not_found` where there is no depot yet, and `forbidden` as {@link expectOpen}. */
export async function readDepot<T>(config: Config, read: (db: Db) => Promise<T>, open = openReader): Promise<T> {
  expectOpen(config, 'read')
  if (!existsSync(config.databaseFile)) throw new DepotError('not_found', `there is no depot in ${config.dataFolder}: looked for ${config.databaseFile}. DEPOT_DATA names the folder of a depot; hart-depot serve makes one`)
  const database = open(config.databaseFile)
  try {
    return await read(database.reader)
  } finally {
    database.close()
  }
}
