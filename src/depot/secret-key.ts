import { randomBytes } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { sync } from '../blobs/sync.ts'
import { parseSecretKey } from '../config.ts'
import type { Config } from '../config.ts'
import type { Db } from '../database/database.ts'
import { DepotError } from '../errors.ts'
import { listSealingKeys } from '../origins/sealed-store.ts'
import { SecretBox } from '../origins/secret-box.ts'
import { readNamedFile, readSecretFile } from './secret-file.ts'

/**
 * Finds the key that encrypts secrets: the configured key, or the one in the file `secret.key`. Creates the
 * file if it is missing and nothing is encrypted yet. Throws `invalid_request` if stored secrets are
 * encrypted with another key, or if their key is missing.
 */
export async function findSecretKey(
  { secretKey, secretKeyFile, dataFolder }: Config,
  db: Db,
  log: Logger,
): Promise<Buffer> {
  const used = await listSealingKeys(db)
  const ownFile = join(dataFolder, 'secret.key')
  if (secretKey !== undefined) return expectKeyOfSecrets(secretKey, used, 'DEPOT_SECRET_KEY')
  if (secretKeyFile !== undefined)
    return expectKeyOfSecrets(
      parseSecretKey(await readNamedFile(secretKeyFile, 'DEPOT_SECRET_KEY_FILE', log), secretKeyFile),
      used,
      secretKeyFile,
    )
  const text = await readSecretFile(ownFile, log)
  if (text !== undefined) return expectKeyOfSecrets(parseSecretKey(text, ownFile), used, ownFile)
  if (used.length > 0)
    throw new DepotError(
      'invalid_request',
      `${ownFile} is missing, but stored secrets are encrypted with the key ${used.join(' and ')} that it contained: restore the file from the place where the database was backed up`,
    )
  return createKeyFile(ownFile)
}

/**
 * Returns the key. Throws `invalid_request` unless it encrypts every stored secret. `used` has the ids of the
 * keys that encrypt stored secrets; `place` tells in messages where the key is from.
 */
function expectKeyOfSecrets(key: Buffer, used: readonly string[], place: string): Buffer {
  const { keyId } = new SecretBox(key)
  const others = used.filter((id) => id !== keyId)
  if (others.length === 0) return key
  throw new DepotError(
    'invalid_request',
    `${place} holds the key ${keyId}, but stored secrets are encrypted with the key ${others.join(' and ')}: start the depot with that key`,
  )
}

/** Creates a file with a new key as 64 hex characters, atomically and durably. Returns the key. */
async function createKeyFile(path: string): Promise<Buffer> {
  const key = randomBytes(32)
  await rm(`${path}.new`, { force: true })
  await writeFile(`${path}.new`, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true })
  await rename(`${path}.new`, path)
  await sync(dirname(path))
  return key
}
