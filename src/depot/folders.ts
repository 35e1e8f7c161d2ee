import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { lockData } from '../database/engine.ts'
import { DepotError } from '../errors.ts'

/** Functions that release what was opened, in the order in which it was opened. */
export type Closers = (() => Promise<unknown> | void)[]

/** Returns the file that a process locks to hold a data folder. */
export function lockFileOf(dataFolder: string): string {
  return join(dataFolder, 'lock.sqlite')
}

/**
 * Locks the data folder. Locks the database, too, if it is in another folder, because another data folder may
 * name the same database.
 */
export function lockFolders({ dataFolder, database }: Config, closers: Closers): void {
  const files = [lockFileOf(dataFolder)]
  if (database.engine === 'sqlite' && dirname(database.file) !== dataFolder)
    files.push(`${database.file}.lock`)
  for (const file of files) {
    const lock = lockData(file)
    closers.push(() => lock.close())
  }
}

/** Returns the name that the database has while a backup is restored. */
export function restoringFileOf(databaseFile: string): string {
  return `${databaseFile}.restoring`
}

/** Throws `conflict` if a restore into the data folder was interrupted: its packages are not complete. */
export function expectRestored({ dataFolder, database }: Config): void {
  if (database.engine === 'sqlite' && existsSync(restoringFileOf(database.file)))
    throw new DepotError(
      'conflict',
      `a backup was not completely restored into ${dataFolder}: run hart-depot restore again, or empty the folder`,
    )
}
