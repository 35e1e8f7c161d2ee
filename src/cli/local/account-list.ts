import { listAccounts } from '../../accounts/account-store.ts'
import { formatColumns, formatTime } from '../../text/columns.ts'
import { readConfig } from '../../config.ts'
import { readDepot } from './read-depot.ts'
import { parseOptionsOnly } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'

export const accountList: Subcommand = {
  usage: '[--json]',
  summary: 'list the accounts',
  async run(args) {
    const values = parseOptionsOnly(args, { json: { type: 'boolean', default: false } })
    const accounts = await readDepot(readConfig(), (db) => listAccounts(db))
    if (values.json) {
      const shown = accounts.map(({ name, email = null, isAdministrator, createdAt }) => ({
        name,
        email,
        is_administrator: isAdministrator,
        created_at: formatTime(createdAt),
      }))
      console.log(JSON.stringify(shown, undefined, 2))
      return
    }
    const rows = accounts.map((account) => [
      account.name,
      account.isAdministrator ? 'administrator' : '',
      account.email ?? '',
      formatTime(account.createdAt),
    ])
    console.log(formatColumns(['NAME', 'ROLE', 'EMAIL', 'CREATED'], rows))
  },
}
