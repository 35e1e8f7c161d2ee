import { lchownSync, lstatSync, statSync } from 'node:fs'
import { access, constants, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DepotError } from '../errors.ts'

/**
 * Makes a folder that only its owner may enter, with its missing parents. An existing folder keeps its mode
 * and its owner; root gives a new one to the owner of the folder around it. Throws `invalid_request`, which
 * names the setting, if the folder cannot be made or this process cannot write to it.
 */
export async function makeFolder(folder: string, setting: string): Promise<void> {
  try {
    await makeWithParents(folder)
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw new DepotError(
      'invalid_request',
      `${setting}: the folder ${folder} cannot be used: ${REASONS[code] ?? code}`,
      { cause: error },
    )
  }
}

/**
 * If this process runs as root, gives a file or folder that it made to the owner of the folder around it.
 * Administrators run commands as root on the folders of a depot or of backups that another user writes, and
 * this user could not use the files of root. Does not follow symbolic links, because that user may put one in
 * the place of the file. Where root may not give files away, as on NFS, the file stays as it is.
 */
export function giveToOwner(path: string): void {
  if (process.geteuid?.() !== 0) return
  const { uid, gid } = statSync(dirname(path))
  if (lstatSync(path).uid === uid) return
  try {
    lchownSync(path, uid, gid)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error
  }
}

/** Explanations by the code of the system's error. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there (EACCES)',
  EPERM: 'this user may not write there (EPERM)',
  EROFS: 'its file system is read-only (EROFS)',
  ENOENT: 'folders cannot be created there (ENOENT)',
  EEXIST: 'a file is in its place (EEXIST)',
  ENOTDIR: 'a file is in the place of a folder above it (ENOTDIR)',
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'the quota of this user is used up (EDQUOT)',
  ELOOP: 'its symbolic links form a loop (ELOOP)',
  ENAMETOOLONG: 'its name is too long (ENAMETOOLONG)',
}

// Does not use `mkdir` with `recursive`, which in Node never returns if /proc refuses the folder.
async function makeWithParents(folder: string): Promise<void> {
  try {
    await makePrivate(folder)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    if (await isFolder(folder)) return
    if (error.code !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeWithParents(dirname(folder))
    await makePrivate(folder)
  }
}

async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  giveToOwner(folder)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
