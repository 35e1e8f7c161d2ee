import { readFile } from 'node:fs/promises'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { pathOf } from '../../io.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import { partsOf, readKeyFile } from '../key-files.ts'

export const keyList: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'the origin')
    .addHelpText(
      'after',
      examples([
        ['key list acme', 'list the public keys of an origin, newest first'],
        ['key list acme --quiet', 'print only their names'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(depot.each('listOriginKeys', { origin }))
      out.show(list, {
        whole: () =>
          out.table(
            ['KEY', 'ADDED'],
            list.map(({ key, added_at }) => [key, added_at]),
          ),
        brief: () => list.map(({ key }) => key),
      })
    })

export const keyUpload: Define = (command, io) =>
  remoteOptions(command)
    .argument('<file>', 'a public key file (.pub)')
    .addHelpText(
      'after',
      examples([
        ['key upload acme-20260101120000.pub', 'add a public key to its origin'],
        ['key upload ~/.hab/cache/keys/acme-20260101120000.pub --quiet', 'add the key that hab made'],
      ]),
    )
    .action(async (given, options) => {
      const { depot, out } = connectToChange(io, options)
      const { name, text: body } = await readKeyFile(pathOf(io, given))
      const { origin, revision } = partsOf(name)
      const key = await depot.putOriginKey({ origin, revision, body })
      out.show(key, { whole: () => `${origin} has the key ${key.key}`, brief: () => [key.key] })
    })

export const keyDownload: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin-or-key>', 'an origin, for its newest key, or the name of a key')
    .addHelpText(
      'after',
      examples([
        ['key download acme > acme.pub', 'print the newest public key of an origin'],
        ['key download acme-20260101120000 > acme-20260101120000.pub', 'print a certain key'],
      ]),
    )
    .action(async (given, options) => {
      const { depot, out } = connect(io, options)
      const { origin, revision } = partsOf(given)
      const key = await depot.getOriginKey(
        origin === '' ? { origin: given, revision: 'latest' } : { origin, revision },
      )
      out.show(key, { whole: () => key.file.trimEnd(), brief: () => [key.file.trimEnd()] })
    })

export const keyUploadSecret: Define = (command, io) =>
  remoteOptions(command)
    .argument('<file>', 'a secret key file (.sig.key)')
    .addHelpText(
      'after',
      examples([
        [
          'key upload-secret acme-20260101120000.sig.key',
          'share a secret key with all members of its origin',
        ],
        ['key upload-secret ~/.hab/cache/keys/acme-20260101120000.sig.key --quiet', 'the key that hab made'],
      ]),
    )
    .action(async (given, options) => {
      const { depot, out } = connectToChange(io, options)
      const file = pathOf(io, given)
      const body = await readFile(file, 'utf8')
      const [kind, name = ''] = body.split('\n').map((line) => line.trim())
      const { origin, revision } = partsOf(name)
      if (kind !== 'SIG-SEC-1' || origin === '') throw new UsageError(`${file} is not a secret key file`)
      const key = await depot.putOriginSecretKey({ origin, revision, body })
      out.show(key, {
        whole: () => `the depot has the secret key ${key.key}, encrypted, for the members of ${origin}`,
        brief: () => [key.key],
      })
    })

export const keyDownloadSecret: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'an origin of yours')
    .addHelpText(
      'after',
      examples([
        ['key download-secret acme > acme.sig.key', 'print the newest secret key, with which you sign'],
        ['key download-secret acme --json', 'print it as JSON, with its name'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connect(io, options)
      const key = await depot.getOriginSecretKey({ origin })
      out.show(key, { whole: () => key.file.trimEnd(), brief: () => [key.file.trimEnd()] })
    })
