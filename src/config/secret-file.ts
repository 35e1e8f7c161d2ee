import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Logger } from 'pino'
import { DepotError } from '../errors.ts'

/** The bits of a mode that give access to all users, and to the file's group. */
const ACCESS_OF_OTHERS = 0o007
const ACCESS_OF_GROUP = 0o070
const MAX_BYTES = 4096

/**
 * Reads a file with one secret and trims it; `undefined` if the file does not exist. Throws `invalid_request`
 * if every user may access the file, or if it is too long for a secret. Access for a group only logs a
 * warning, because Kubernetes gives volumes to a group (`fsGroup`).
 */
export async function readSecretFile(path: string, log?: Logger): Promise<string | undefined> {
  const file = await openFile(path)
  if (file === undefined) return undefined
  try {
    const { mode, size } = await file.stat()
    if ((mode & ACCESS_OF_OTHERS) !== 0)
      throw new DepotError(
        'invalid_request',
        `every user of this machine may read the secret in ${path}: chmod 600 ${path}`,
      )
    if ((mode & ACCESS_OF_GROUP) !== 0)
      log?.warn(
        { file: path },
        `the group of the file may read the secret in it: chmod 600 ${path}, unless only the depot is in that group`,
      )
    if (size > MAX_BYTES)
      throw new DepotError('invalid_request', `${path} is too long for a secret: it has ${size} bytes`)
    return (await file.readFile('utf8')).trim()
  } finally {
    await file.close()
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Like {@link readSecretFile}, for a file that a variable names: throws `invalid_request` if it does not
 * exist.
 */
export async function readNamedFile(file: string, variable: string, log?: Logger): Promise<string> {
  const text = await readSecretFile(file, log)
  if (text === undefined)
    throw new DepotError('invalid_request', `${variable} names ${file}, which does not exist`)
  return text
}
