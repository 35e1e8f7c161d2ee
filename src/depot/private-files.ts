import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'

/**
 * Makes all files private to this user: sets the umask for new files, and narrows the modes of files from earlier
 * versions. Folders that the operator made keep their modes, because their contents are private.
 */
export async function keepPrivate(config: Config): Promise<void> {
  process.umask(0o077)
  const { dataFolder, databaseFile, blobFolder } = config
  const locks = [join(dataFolder, 'lock.sqlite'), `${databaseFile}.lock`, join(blobFolder, 'lock.sqlite')]
  // SQLite gives its log and its index the mode of the database.
  for (const file of [databaseFile, `${databaseFile}-wal`, `${databaseFile}-shm`, ...locks])
    await close(file, 0o600)
  // Closing the folders suffices; there may be a million files in them.
  for (const name of await readdir(blobFolder).catch(() => []))
    if (BLOBS.test(name)) await close(join(blobFolder, name), 0o700)
}

/** The folders of {@link FilesystemBlobs}: the first two characters of checksums, and the spool of uploads. */
const BLOBS = /^([0-9a-f]{2}|spool)$/

async function close(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}
