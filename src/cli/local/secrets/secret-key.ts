import { join } from 'node:path'
import pino from 'pino'
import { lockData } from '../../../database/engine.ts'
import {
  findSecretKeys,
  generateSecretKey,
  secretKeyFileOf,
  writeSecretKeys,
} from '../../../depot/secret-key.ts'
import { DepotError } from '../../../errors.ts'
import { CIPHERTEXT_ID_LENGTH, SecretBox, secretKeyId } from '../../../origins/secret-box.ts'
import { isSealingKey, listSealedOtherwise, listSealingKeys } from '../../../origins/sealed-store.ts'
import type { Resealed, SealedSecret } from '../../../origins/sealed-store.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { expectAccess, readLocalConfig } from '../data-folder.ts'
import type { LocalConfig } from '../data-folder.ts'
import { readDepot } from '../read-depot.ts'
import { submit } from '../submit.ts'
import { counted } from '../../../text/counted.ts'

// A rotation of the key of stored secrets has three steps, and each can be repeated after a crash:
//
//   1. `rotate` puts a new key on the first line of the file of keys.
//   2. `rotate` encrypts every secret again. Each batch of secrets is one transaction.
//   3. The operator removes the old key with `forget`.
//
// At every moment, the file has the key of every secret, so a running depot can decrypt all of them.

/** The maximum number of secrets in a batch, and of characters of their ciphertexts. */
const MAX_IN_PIECE = 500
const MAX_PIECE_LENGTH = 256 * 1024

export const secretKeyList: Define = (command, io) =>
  outputOptions(command)
    .addHelpText(
      'after',
      examples([
        ['secret-key list', 'show the keys, and how many stored secrets each one encrypts'],
        ['secret-key list --json', 'print them as JSON'],
      ]),
    )
    .action(async (options) => {
      const config = readLocalConfig(io)
      const { keys, uses } = await readDepot(config, async (db) => ({
        keys: (await findSecretKeys(config, db, SILENT)).map(secretKeyId),
        uses: await listSealingKeys(db),
      }))
      const out = new Output(io, options)
      const rows = keys.map((key, index) => ({
        key,
        encrypts: index === 0,
        secrets: uses.find((use) => use.key === key)?.secrets ?? 0,
      }))
      out.show(
        { keys: rows, place: placeOf(config) },
        {
          whole: () =>
            `${out.table(
              ['KEY', 'SECRETS', 'USE'],
              rows.map(({ key, secrets, encrypts }) => [
                key,
                String(secrets),
                encrypts ? 'encrypts and decrypts' : 'decrypts',
              ]),
            )}\n\nin ${placeOf(config)}`,
          brief: () => keys,
        },
      )
    })

export const secretKeyRotate: Define = (command, io) =>
  outputOptions(command)
    .addHelpText(
      'after',
      `${examples([
        ['secret-key rotate', 'make a new key, and encrypt all stored secrets with it'],
        ['secret-key rotate --quiet', 'print only the ID of the new key'],
      ])}

Can run beside a server. If it is interrupted, run it again: it then finishes the rotation and makes no other key. If you keep the
keys yourself, put a new key before the others, restart the depot, and run this command.`,
    )
    .action(async (options) => {
      const config = readLocalConfig(io)
      expectAccess(config, 'write')
      process.umask(0o077)
      const before = await readDepot(config, async (db) => {
        const keys = await findSecretKeys(config, db, SILENT)
        const [newest] = keys
        if (newest === undefined) throw new Error('there is no key')
        const box = new SecretBox(keys)
        const waiting = await listSealedOtherwise(db, secretKeyId(newest), MAX_IN_PIECE)
        return { keys, isUnfinished: waiting.some((secret) => reseal(secret, box) !== undefined) }
      })
      const keys = before.isUnfinished ? before.keys : await addKey(config, before.keys)
      const box = new SecretBox(keys)
      const { replaced, failed } = await resealAll(config, io, box)
      const earlier = keys.slice(1).map(secretKeyId)
      new Output(io, options).show(
        { key: box.keyId, secrets: replaced, earlier_keys: earlier, failed: failed.map(describe) },
        {
          whole: () =>
            [
              before.isUnfinished ? 'Finished an earlier rotation.' : `Made the key ${box.keyId}.`,
              `Encrypted ${replaced === 1 ? 'one secret' : `${replaced} secrets`} with ${box.keyId}.`,
              `Earlier backups need ${earlier.join(' and ')}, which ${earlier.length === 1 ? 'stays' : 'stay'} in ${placeOf(config)}. hart-depot secret-key forget KEY removes one.`,
            ].join('\n'),
          brief: () => [box.keyId],
        },
      )
      if (failed.length > 0)
        throw new Exit(
          EXIT.failed,
          `${counted(failed.length, 'secret')} cannot be decrypted, and stayed as before: ${failed.map(describe).join(', ')}`,
        )
    })

export const secretKeyForget: Define = (command, io) =>
  outputOptions(command)
    .argument('<key>', 'the ID of an earlier key, which hart-depot secret-key list shows')
    .addHelpText(
      'after',
      `${examples([
        ['secret-key forget 1f0c2ab9', 'remove a key that encrypts nothing any more'],
        ['secret-key forget 1f0c2ab9 --json', 'print the keys that stay, as JSON'],
      ])}

Stop the server first. Backups from before the rotation can then be restored only with a copy of the key.`,
    )
    .action(async (id, options) => {
      const config = readLocalConfig(io)
      expectAccess(config, 'write')
      const file = secretKeyFileOf(config)
      if (file === undefined)
        throw new DepotError('invalid_request', `DEPOT_SECRET_KEY holds the keys: remove ${id} from it`)
      process.umask(0o077)
      const lock = lockData(join(config.dataFolder, 'lock.sqlite'))
      try {
        const keys = await readDepot(config, async (db) => {
          const all = await findSecretKeys(config, db, SILENT)
          const kept = expectForgettable(all, id)
          if (await isSealingKey(db, id))
            throw new DepotError(
              'conflict',
              `stored secrets are still encrypted with the key ${id}: run hart-depot secret-key rotate first`,
            )
          return kept
        })
        await writeSecretKeys(file, keys)
        const ids = keys.map(secretKeyId)
        new Output(io, options).show(
          { forgotten: id, keys: ids },
          { whole: () => `removed the key ${id} from ${file}`, brief: () => ids },
        )
      } finally {
        lock.close()
      }
    })

const SILENT = pino({ level: 'silent' })

/**
 * Returns a box with the depot's keys, which decrypts its stored secrets. Throws `invalid_request` if the key
 * of a stored secret is missing. The caller has nothing to close.
 */
export async function openSecrets(config: LocalConfig): Promise<SecretBox> {
  return new SecretBox(await readDepot(config, (db) => findSecretKeys(config, db, SILENT)))
}

function placeOf(config: LocalConfig): string {
  return secretKeyFileOf(config) ?? 'DEPOT_SECRET_KEY'
}

/**
 * Puts a new key before the others, and returns all keys. Throws `invalid_request` if DEPOT_SECRET_KEY holds
 * the keys, or if their file cannot be written.
 */
async function addKey(config: LocalConfig, keys: readonly Buffer[]): Promise<readonly Buffer[]> {
  const file = secretKeyFileOf(config)
  const how =
    'put a new key of 64 hex characters before the others, restart the depot, and run this command again'
  if (file === undefined) throw new DepotError('invalid_request', `the keys are in DEPOT_SECRET_KEY: ${how}`)
  const all = [generateSecretKey(), ...keys]
  try {
    await writeSecretKeys(file, all)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new DepotError('invalid_request', `${file} cannot be replaced (${why}): ${how}`, { cause })
  }
  return all
}

/**
 * Encrypts every secret that has an earlier key with the newest one. Returns the number of replaced secrets,
 * and in `failed` the secrets that it left as they were.
 */
async function resealAll(
  config: LocalConfig,
  io: Io,
  box: SecretBox,
): Promise<{ replaced: number; failed: SealedSecret[] }> {
  const failed = new Map<string, SealedSecret>()
  let replaced = 0
  for (;;) {
    const listed = await readDepot(config, (db) =>
      listSealedOtherwise(db, box.keyId, MAX_IN_PIECE + failed.size),
    )
    const waiting = listed.filter((secret) => !failed.has(secret.sealed))
    if (waiting.length === 0) return { replaced, failed: [...failed.values()] }
    const secrets: Resealed[] = []
    const tried: SealedSecret[] = []
    let length = 0
    for (const secret of waiting) {
      const again = reseal(secret, box)
      if (again === undefined) failed.set(secret.sealed, secret)
      else {
        length += again.sealed.length
        if (secrets.length > 0 && length > MAX_PIECE_LENGTH) break
        secrets.push(again)
        tried.push(secret)
      }
    }
    if (secrets.length === 0) continue
    const piece = await submit(config, io, 'resealSecrets', { key: box.keyId, secrets })
    replaced += piece.replaced
    // A secret that changed meanwhile has another ciphertext when it is listed again.
    if (piece.replaced === 0) for (const secret of tried) failed.set(secret.sealed, secret)
  }
}

/** Encrypts a secret with the newest key. Returns `undefined` if it cannot be decrypted. */
function reseal({ place, id, sealed, purpose }: SealedSecret, box: SecretBox): Resealed | undefined {
  try {
    const again = box.seal(box.open(sealed, purpose), purpose)
    return { place, id, sealed: again, replaces: sealed.slice(0, CIPHERTEXT_ID_LENGTH) }
  } catch {
    return undefined
  }
}

function describe({ place, id }: SealedSecret): string {
  return `${place} ${id}`
}

/**
 * Returns the keys without the key `id`. Throws `not_found` for an unknown key, and `conflict` for the newest
 * one.
 */
function expectForgettable(keys: readonly Buffer[], id: string): readonly Buffer[] {
  const ids = keys.map(secretKeyId)
  if (!ids.includes(id))
    throw new DepotError('not_found', `there is no key ${id}: the keys are ${ids.join(', ')}`)
  if (ids[0] === id)
    throw new DepotError(
      'conflict',
      `the key ${id} encrypts new secrets: run hart-depot secret-key rotate first`,
    )
  return keys.filter((key) => secretKeyId(key) !== id)
}
