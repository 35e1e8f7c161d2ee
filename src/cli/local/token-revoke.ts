import { readConfig } from '../../config.ts'
import { UsageError, onlyArgument, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'
import { submit } from './submit.ts'

export const tokenRevoke: Subcommand = {
  usage: 'ID',
  summary: 'revoke a token, at once and for good; hart-depot token list shows the IDs',
  async run(args) {
    const { positionals } = parseOptions(args, {})
    const id = onlyArgument(positionals, 'ID')
    if (!/^\d{1,15}$/.test(id))
      throw new UsageError(`${JSON.stringify(id)} is not the ID of a token: see hart-depot token list`)
    const { account } = await submit(readConfig(), 'revokeToken', { tokenId: Number(id) })
    console.log(`revoked token ${id} of ${account}`)
  },
}
