import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { DepotError } from '../../../errors.ts'
import { findSigningKey } from '../../../lockfiles/depot-key-store.ts'
import {
  formatDepotKey,
  generateDepotKey,
  parseDepotKey,
  parseTrustedName,
} from '../../../lockfiles/depot-key.ts'
import { depotKeyPurpose } from '../../../origins/secret-purposes.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { pathOf } from '../../io.ts'
import type { Io } from '../../io.ts'
import { Output, outputOptions } from '../../output.ts'
import { readLocalConfig } from '../data-folder.ts'
import type { LocalConfig } from '../data-folder.ts'
import { readDepot } from '../read-depot.ts'
import { openSecrets } from './secret-key.ts'
import { submit } from '../submit.ts'

export const keyShow: Define = (command, io) =>
  outputOptions(command)
    .addHelpText(
      'after',
      examples([
        ['key show > depot.key', "write this depot's public key file"],
        ['key show --quiet', 'print only its ID, which people can compare'],
      ]),
    )
    .action(async (options) => {
      const signing = await readDepot(readLocalConfig(io), findSigningKey)
      if (signing === undefined)
        throw new DepotError(
          'not_found',
          'this depot has no key yet: it creates one at the first request for /api/v1/depot/keys or a lockfile',
        )
      const { id } = signing.key
      const file = formatDepotKey(signing.key)
      new Output(io, options).show({ id, file }, { whole: () => file.trimEnd(), brief: () => [id] })
    })

export const keyRotate: Define = (command, io) =>
  outputOptions(command)
    .addHelpText(
      'after',
      `${examples([
        ['key rotate', 'sign lockfiles and checkpoints with a new key from now on'],
        ['key rotate --quiet', 'print only the ID of the new key'],
      ])}

What earlier keys signed stays valid here, until hart-depot key revoke. Depots that trust lockfiles of this one need the new key.`,
    )
    .action(async (options) => {
      const id = await makeDepotKey(readLocalConfig(io), io, { isFirst: false })
      new Output(io, options).show(
        { id },
        { whole: () => `the depot signs with the new key ${id}`, brief: () => [id] },
      )
    })

export const keyRevoke: Define = (command, io) =>
  outputOptions(command)
    .argument('<id>', 'the ID of an earlier key of this depot')
    .addHelpText(
      'after',
      `${examples([
        ['key revoke f0e96c34870f6c60d02cc39021adfbe8', 'trust nothing more that a key signed'],
        ['key revoke f0e96c34870f6c60d02cc39021adfbe8 --quiet', 'print nothing'],
      ])}

For a key that somebody else may have. Run hart-depot key rotate first. Depots that trust the key must be told.`,
    )
    .action(async (key, options) => {
      await submit(readLocalConfig(io), io, 'revokeDepotKey', { key })
      new Output(io, options).show({ id: key }, { whole: () => `the key ${key} is not trusted any more` })
    })

/**
 * Makes a key that signs from now on, and returns its ID. With `isFirst`, a key that the depot has already
 * stays the one that signs.
 */
export async function makeDepotKey(
  config: LocalConfig,
  io: Io,
  { isFirst }: { isFirst: boolean },
): Promise<string> {
  const { publicKey, secretKey } = generateDepotKey()
  const secrets = await openSecrets(config)
  const sealed = secrets.seal(secretKey.pem, depotKeyPurpose(publicKey.id))
  const input = { publicKey: formatDepotKey(publicKey), sealed, isFirst }
  return (await submit(config, io, 'makeDepotKey', input)).id
}

export const keyTrust: Define = (command, io) =>
  outputOptions(command)
    .argument('<name>', 'a name for the other depot; a key that had this name is replaced')
    .argument('<file>', 'its key file, which hart-depot key show prints there; - is stdin')
    .addHelpText(
      'after',
      examples([
        ['key trust home depot.key', 'accept lockfiles of another depot'],
        ['key trust home - < depot.key', 'read its key from stdin'],
      ]),
    )
    .action(async (given, file, options) => {
      const key = parseDepotKey(
        file === '-' ? await text(io.stdin) : await readFile(pathOf(io, file), 'utf8'),
      )
      const name = parseTrustedName(given)
      const publicKey = formatDepotKey(key)
      const { id } = await submit(readLocalConfig(io), io, 'trustKey', { name, publicKey })
      new Output(io, options).show(
        { id, name },
        { whole: () => `trusting the depot key ${id} as ${name}`, brief: () => [id] },
      )
    })
