import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, chown, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { sync } from '../blobs/sync.ts'
import { parseSecretKeys } from '../config/secrets.ts'
import type { Config } from '../config/config.ts'
import type { Db } from '../database/database.ts'
import { giveToOwner } from '../database/make-folder.ts'
import { DepotError } from '../errors.ts'
import { listSealingKeys } from '../origins/sealed-store.ts'
import { secretKeyId } from '../origins/secret-box.ts'
import { readNamedFile, readSecretFile } from '../config/secret-file.ts'

// The keys that encrypt stored secrets, one per line as 64 hex characters. The first one encrypts. The others
// only decrypt: what was stored before a rotation, and the secrets of older backups.

type KeySettings = Pick<Config, 'secretKeys' | 'secretKeyFile' | 'dataFolder' | 'database'>

/** Returns the file of the keys; `undefined` if DEPOT_SECRET_KEY holds them. */
export function secretKeyFileOf({ secretKeys, secretKeyFile, dataFolder }: KeySettings): string | undefined {
  return secretKeys === undefined ? (secretKeyFile ?? join(dataFolder, 'secret.key')) : undefined
}

/**
 * Finds the keys that encrypt secrets: the configured keys, or those in the file `secret.key`. Creates the
 * file with one key if it is missing and nothing is encrypted yet, unless other nodes share the database: all
 * must be given the same key. Throws `invalid_request` if the key of a stored secret is missing.
 */
export async function findSecretKeys(config: KeySettings, db: Db, log: Logger): Promise<readonly Buffer[]> {
  const used = (await listSealingKeys(db)).map(({ key }) => key)
  const file = secretKeyFileOf(config)
  if (file === undefined) return expectKeysOfSecrets(config.secretKeys ?? [], used, 'DEPOT_SECRET_KEY')
  if (file === config.secretKeyFile)
    return expectKeysOfSecrets(
      parseSecretKeys(await readNamedFile(file, 'DEPOT_SECRET_KEY_FILE', log), file),
      used,
      file,
    )
  const text = await readSecretFile(file, log)
  if (text !== undefined) return expectKeysOfSecrets(parseSecretKeys(text, file), used, file)
  if (used.length > 0)
    throw new DepotError(
      'invalid_request',
      `${file} is missing, but stored secrets are encrypted with the key ${used.join(' and ')} that it contained: restore the file from the place where the database was backed up`,
    )
  if (config.database.engine === 'postgres')
    throw new DepotError(
      'invalid_request',
      'set DEPOT_SECRET_KEY or DEPOT_SECRET_KEY_FILE: all nodes on a PostgreSQL database need the same key. openssl rand -hex 32 makes one',
    )
  const keys = [generateSecretKey()]
  await writeSecretKeys(file, keys)
  return keys
}

/** Returns a function that reads the present keys, for {@link SecretBox}. */
export function rereadSecretKeys(config: KeySettings): () => readonly Buffer[] {
  const file = secretKeyFileOf(config)
  const { secretKeys = [] } = config
  return file === undefined
    ? () => secretKeys
    : () => parseSecretKeys(readFileSync(file, 'utf8').trim(), file)
}

export function generateSecretKey(): Buffer {
  return randomBytes(32)
}

/** Formats keys as the file has them. */
export function formatSecretKeys(keys: readonly Buffer[]): string {
  return keys.map((key) => `${key.toString('hex')}\n`).join('')
}

/** Writes the file of the keys, atomically and durably. A file that it replaces keeps its owner and mode. */
export async function writeSecretKeys(path: string, keys: readonly Buffer[]): Promise<void> {
  const before = await stat(path).catch(() => undefined)
  const made = `${path}.new`
  await rm(made, { force: true })
  try {
    await writeFile(made, formatSecretKeys(keys), { mode: 0o600, flag: 'wx', flush: true })
    if (before !== undefined) {
      await chown(made, before.uid, before.gid)
      await chmod(made, before.mode & 0o777)
    } else giveToOwner(made)
    await rename(made, path)
  } catch (error) {
    await rm(made, { force: true }).catch(() => undefined) // it has the keys
    throw error
  }
  await sync(dirname(path))
}

/**
 * Returns the keys. Throws `invalid_request` if one that encrypts stored secrets is missing. `used` has the
 * ids of the keys that encrypt stored secrets; `place` tells in messages where the keys are from.
 */
function expectKeysOfSecrets(
  keys: readonly Buffer[],
  used: readonly string[],
  place: string,
): readonly Buffer[] {
  const ids = keys.map(secretKeyId)
  const others = used.filter((id) => !ids.includes(id))
  if (others.length === 0) return keys
  throw new DepotError(
    'invalid_request',
    `${place} holds the key ${ids.join(' and ')}, but stored secrets are encrypted with the key ${others.join(' and ')}: start the depot with that key`,
  )
}
