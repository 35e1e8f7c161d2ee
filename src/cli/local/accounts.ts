import { readConfig } from '../../config.ts'
import { onlyArgument, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'
import { submit } from './submit.ts'

export const accountAdd: Subcommand = {
  usage: 'NAME [--admin] [--email ADDRESS]',
  summary: 'create an account',
  details: [
    '--admin  make the account an administrator of the depot, who has the rights of an owner in every origin',
  ],
  async run(args) {
    const { values, positionals } = parseOptions(args, {
      admin: { type: 'boolean', default: false },
      email: { type: 'string' },
    })
    const name = onlyArgument(positionals, 'NAME')
    await submit(readConfig(), 'addAccount', {
      name,
      isAdministrator: values.admin,
      ...(values.email !== undefined && { email: values.email }),
    })
    console.log(`added the account ${name}`)
  },
}
