import { readConfig } from '../../config.ts'
import { DepotError } from '../../errors.ts'
import { formatDepotKey } from '../../lockfiles/depot-key.ts'
import { findSigningKey } from '../../lockfiles/depot-key-store.ts'
import { readDepot } from './read-depot.ts'
import { parseOptionsOnly } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'

export const keyShow: Subcommand = {
  usage: '',
  summary: "print this depot's public key file, which other depots need to trust its lockfiles",
  async run(args) {
    parseOptionsOnly(args, {})
    const signing = await readDepot(readConfig(), findSigningKey)
    if (signing === undefined)
      throw new DepotError(
        'not_found',
        'this depot has no key yet: it creates one at the first request for /api/v1/depot/keys or a lockfile',
      )
    process.stdout.write(formatDepotKey(signing.key))
  },
}
