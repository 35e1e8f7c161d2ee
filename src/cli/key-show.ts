import { readConfig } from '../config.ts'
import { DepotError } from '../errors.ts'
import { formatDepotKey } from '../lockfiles/depot-key.ts'
import { findSigningKey } from '../lockfiles/depot-key-store.ts'
import { readDepot } from './read-depot.ts'
import { optionsAlone } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'

export const keyShow: Subcommand = {
  usage: '',
  summary: "print this depot's key file, which other depots need to trust its lockfiles",
  async run(args) {
    optionsAlone(args, {})
    const signing = await readDepot(readConfig(), findSigningKey)
    if (signing === undefined)
      throw new DepotError(
        'not_found',
        'this depot has no key yet: it makes one when it is first asked for /api/v1/depot/keys or a lockfile',
      )
    process.stdout.write(formatDepotKey(signing.key))
  },
}
