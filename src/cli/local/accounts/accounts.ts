import { getAccount, listAccounts } from '../../../accounts/account-store.ts'
import { wireAccount } from '../../../http/api/accounts/wire.ts'
import type { Define } from '../../command.ts'
import { Output } from '../../output.ts'
import { accountAddOptions, accountListOptions, accountTable } from '../../remote/accounts/accounts.ts'
import { readLocalConfig } from '../data-folder.ts'
import { readDepot } from '../read-depot.ts'
import { submit } from '../submit.ts'

export const accountAdd: Define = (command, io) =>
  accountAddOptions(command).action(async (account, options) => {
    const { email, admin: isAdministrator = false } = options
    const config = readLocalConfig(io)
    await submit(config, io, 'addAccount', {
      name: account,
      isAdministrator,
      ...(email !== undefined && { email }),
    })
    const added = await readDepot(config, async (db) => getAccount(db, account))
    new Output(io, options).show(wireAccount(added), {
      whole: () => `added the account ${account}`,
      brief: () => [account],
    })
  })

export const accountList: Define = (command, io) =>
  accountListOptions(command).action(async (options) => {
    const accounts = await readDepot(readLocalConfig(io), async (db) => listAccounts(db))
    const out = new Output(io, options)
    const list = accounts.map(wireAccount)
    out.show(list, {
      whole: () => accountTable(out, list),
      brief: () => list.map(({ account }) => account),
    })
  })
