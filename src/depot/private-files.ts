import { chmod, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'

/**
 * Makes everything private to this user that this process creates from now on, and what an earlier depot left behind with wider
 * modes. The folders that the operator made keep their modes: what lies in them is closed.
 */
export async function keepPrivate(config: Config): Promise<void> {
  process.umask(0o077)
  const { dataFolder, databaseFile, blobFolder } = config
  const locks = [join(dataFolder, 'lock.sqlite'), `${databaseFile}.lock`, join(blobFolder, 'lock.sqlite')]
  // SQLite gives its log and its index the mode of the database.
  for (const file of [databaseFile, `${databaseFile}-wal`, `${databaseFile}-shm`, ...locks])
    await close(file, 0o600)
  // A blob is reached through its folder alone, so that the files, of which there may be a million, need no look.
  for (const name of await readdir(blobFolder).catch(() => []))
    if (BLOBS.test(name)) await close(join(blobFolder, name), 0o700)
}

/** The folders of {@link FilesystemBlobs}: of blobs by the first two characters of their names, and of uploads. */
const BLOBS = /^([0-9a-f]{2}|spool)$/

async function close(path: string, mode: number): Promise<void> {
  await chmod(path, mode).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}
