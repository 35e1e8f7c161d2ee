import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { sqliteFileOf } from '../config/database.ts'

/**
 * Makes all files of a depot private to this user. Sets the umask of the process for new files, and changes
 * the modes of locks and database files that earlier versions made. Folders that the operator made keep their
 * modes, because the files in them are private.
 */
export async function makeFilesPrivate(config: Config): Promise<void> {
  process.umask(0o077)
  const { dataFolder } = config
  const databaseFile = sqliteFileOf(config)
  const locks = [join(dataFolder, 'lock.sqlite'), `${databaseFile}.lock`]
  // SQLite gives its log and its index the mode of the database.
  for (const file of [databaseFile, `${databaseFile}-wal`, `${databaseFile}-shm`, ...locks])
    await narrowMode(file, 0o600)
}

/** Sets the mode of a file, if it exists. */
async function narrowMode(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}
