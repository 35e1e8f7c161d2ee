import { chmod } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import { lockFileOf } from './folders.ts'

/**
 * Makes all files of a depot private to this user. Sets the umask of the process for new files, and changes
 * the modes of locks and database files that earlier versions made. Folders that the operator made keep their
 * modes, because the files in them are private.
 */
export async function makeFilesPrivate(config: Config): Promise<void> {
  process.umask(0o077)
  const { dataFolder, database } = config
  await narrowMode(lockFileOf(dataFolder), 0o600)
  if (database.engine !== 'sqlite') return
  // SQLite gives its log and its index the mode of the database.
  for (const end of ['', '-wal', '-shm', '.lock']) await narrowMode(`${database.file}${end}`, 0o600)
}

/** Sets the mode of a file, if it exists. */
async function narrowMode(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}
