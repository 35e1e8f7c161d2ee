import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../exit-codes.ts'
import { pathOf } from '../io.ts'
import type { Io } from '../io.ts'

export interface KeyFile {
  /** The name of the key, `origin-revision`. */
  readonly name: string
  readonly text: string
}

/**
 * Reads a public key file. Throws a UsageError for anything else, so that a secret key is never sent by
 * mistake.
 */
export async function readKeyFile(file: string): Promise<KeyFile> {
  const text = await readFile(file, 'utf8')
  const [kind, name = ''] = text.split('\n').map((line) => line.trim())
  if (kind !== 'SIG-PUB-1' || partsOf(name).origin === '')
    throw new UsageError(
      `${file} is not a public key file${kind === 'SIG-SEC-1' ? ', but a secret key: nothing was sent' : ''}`,
    )
  return { name, text }
}

/**
 * Returns the text of the public key file of this name: one of the given files, or one in the folders where
 * hab keeps keys. Throws a UsageError if a file that it reads is not a public key.
 */
export async function findKeyFile(
  io: Io,
  name: string,
  given: readonly string[],
): Promise<string | undefined> {
  for (const file of given) {
    const key = await readKeyFile(pathOf(io, file))
    if (key.name === name) return key.text
  }
  const { HAB_CACHE_KEY_PATH: own, HOME: home = homedir() } = io.env
  for (const folder of [
    ...(own === undefined ? [] : [own]),
    join(home, '.hab/cache/keys'),
    '/hab/cache/keys',
  ]) {
    try {
      return (await readKeyFile(join(folder, `${name}.pub`))).text
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}

/** Splits the name of a key, `origin-revision`. Both parts are empty for any other text. */
export function partsOf(name: string): { origin: string; revision: string } {
  const [, origin = '', revision = ''] = /^(.+)-(\d{14})$/.exec(name) ?? []
  return { origin, revision }
}
