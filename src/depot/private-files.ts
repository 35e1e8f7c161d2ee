import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'

/**
 * Makes all files private to this user: sets the umask for new files, and narrows the modes of the locks and
 * the database of earlier versions. Folders that the operator made keep their modes, because their contents
 * are private.
 */
export async function makeFilesPrivate(config: Config): Promise<void> {
  process.umask(0o077)
  const { dataFolder, databaseFile } = config
  const locks = [join(dataFolder, 'lock.sqlite'), `${databaseFile}.lock`]
  // SQLite gives its log and its index the mode of the database.
  for (const file of [databaseFile, `${databaseFile}-wal`, `${databaseFile}-shm`, ...locks])
    await close(file, 0o600)
}

async function close(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}
