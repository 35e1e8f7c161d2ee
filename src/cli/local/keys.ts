import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { DepotError } from '../../errors.ts'
import { findSigningKey } from '../../lockfiles/depot-key-store.ts'
import { formatDepotKey, parseDepotKey, parseTrustedName } from '../../lockfiles/depot-key.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'
import { pathOf } from '../io.ts'
import { Output, outputOptions } from '../output.ts'
import { readLocalConfig } from './data-folder.ts'
import { readDepot } from './read-depot.ts'
import { submit } from './submit.ts'

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
