import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { givenPath, readConfig } from '../../config.ts'
import { formatDepotKey, parseDepotKey, parseTrustedName } from '../../lockfiles/depot-key.ts'
import { UsageError, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'
import { submit } from './submit.ts'

export const keyTrust: Subcommand = {
  usage: 'NAME FILE',
  summary: 'trust lockfiles signed with the depot key in FILE, under the name NAME',
  details: ['- reads stdin. The key replaces an earlier key of this name.'],
  async run(args) {
    const { positionals } = parseOptions(args, {})
    const [name, file, ...others] = positionals
    if (name === undefined || file === undefined || others.length > 0)
      throw new UsageError('NAME and FILE are expected')
    const key = parseDepotKey(
      file === '-' ? await text(process.stdin) : await readFile(givenPath(file), 'utf8'),
    )
    const { id } = await submit(readConfig(), 'trustKey', {
      name: parseTrustedName(name),
      publicKey: formatDepotKey(key),
    })
    console.log(`trusting the depot key ${id} as ${name}`)
  },
}
