import type { Command } from '@commander-js/extra-typings'
import type { AccountDetail } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import type { Output } from '../../output.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import { LOCAL_TOO } from '../local-too.ts'

export const accountAddOptions = (command: Command) =>
  remoteOptions(command)
    .argument('<name>', 'letters, digits and . _ -')
    .option(
      '--admin',
      'make it an administrator of the depot, who has the rights of an owner in every origin',
    )
    .option('--email <address>', 'its mail address')
    .addHelpText(
      'after',
      `${examples([
        ['account add ci', 'create an account for a pipeline'],
        ['account add jane --admin --email jane@example.com', 'create an administrator of the depot'],
      ])}\n${LOCAL_TOO}`,
    )

export const accountAdd: Define = (command, io) =>
  accountAddOptions(command).action(async (account, options) => {
    const { depot, out } = connectToChange(io, options)
    const { email, admin = false } = options
    const added = await depot.addAccount({
      body: { account, administrator: admin, ...(email !== undefined && { email }) },
    })
    out.show(added, { whole: () => `added the account ${account}`, brief: () => [account] })
  })

export const accountListOptions = (command: Command) =>
  remoteOptions(command).addHelpText(
    'after',
    `${examples([
      ['account list', 'list the accounts of the depot'],
      ['account list --json', 'print them as JSON'],
    ])}\n${LOCAL_TOO}`,
  )

export const accountList: Define = (command, io) =>
  accountListOptions(command).action(async (options) => {
    const { depot, out } = connect(io, options)
    const list = await Array.fromAsync(depot.each('listAccounts', {}))
    out.show(list, {
      whole: () => accountTable(out, list),
      brief: () => list.map(({ account }) => account),
    })
  })

/** Formats accounts as a table. */
export function accountTable(out: Output, list: readonly AccountDetail[]): string {
  return out.table(
    ['NAME', 'ROLE', 'EMAIL', 'CREATED', 'DISABLED'],
    list.map(({ account, administrator, email, created_at, disabled_at }) => [
      account,
      administrator ? 'administrator' : '',
      email ?? '',
      created_at,
      disabled_at ?? '',
    ]),
  )
}

export const accountDisable: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the account')
    .addHelpText(
      'after',
      examples([
        ['account disable ci', 'refuse all tokens of an account from now on'],
        ['account disable jane --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (account, options) => {
      const { depot, out } = connectToChange(io, options)
      const changed = await depot.changeAccount({ account, body: { disabled: true } })
      out.show(changed, { whole: () => `disabled ${account}: its tokens are refused` })
    })

export const accountEnable: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the account')
    .addHelpText(
      'after',
      examples([
        ['account enable ci', 'accept the tokens of a disabled account again'],
        ['account enable jane --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (account, options) => {
      const { depot, out } = connectToChange(io, options)
      const changed = await depot.changeAccount({ account, body: { disabled: false } })
      out.show(changed, { whole: () => `enabled ${account}: its tokens are accepted` })
    })
