import { readConfig } from '../config.ts'
import { UsageError, onlyArgument, parseOptions } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'
import { submit } from './submit.ts'

export const tokenRevoke: Subcommand = {
  usage: 'ID',
  summary: 'end a token, at once and for good; its ID is in token list',
  async run(args) {
    const { positionals } = parseOptions(args, {})
    const id = onlyArgument(positionals, 'ID')
    if (!/^\d{1,15}$/.test(id))
      throw new UsageError(`${JSON.stringify(id)} is not the ID of a token: token list shows them`)
    const { account } = await submit(readConfig(), 'revokeToken', { tokenId: Number(id) })
    console.log(`revoked token ${id} of ${account}`)
  },
}
