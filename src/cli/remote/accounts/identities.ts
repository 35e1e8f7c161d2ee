import type { Command } from '@commander-js/extra-typings'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

const identityOptions = (command: Command) =>
  remoteOptions(command)
    .argument('<account>', 'the account')
    .requiredOption(
      '--subject <id>',
      'the id that the single sign-on has for the person, not an e-mail address',
    )
    .option('--issuer <url>', 'the single sign-on; the default is that of the depot')

export const accountBind: Define = (command, io) =>
  identityOptions(command)
    .addHelpText(
      'after',
      examples([
        ['account bind jane --subject 248289761001', 'let a person of the single sign-on use an account'],
        [
          'account bind jane --subject 248289761001 --issuer https://login.example',
          'bind an account to a person of another single sign-on',
        ],
      ]),
    )
    .action(async (account, options) => {
      const { depot, out } = connectToChange(io, options)
      const { subject, issuer } = options
      await depot.bindIdentity({ account, body: { subject, ...(issuer !== undefined && { issuer }) } })
      out.show({ account, subject }, { whole: () => `${account} is bound to ${subject}` })
    })

export const accountUnbind: Define = (command, io) =>
  identityOptions(command)
    .addHelpText(
      'after',
      examples([
        ['account unbind jane --subject 248289761001', 'give the person no more tokens of the account'],
        ['account unbind jane --subject 248289761001 --quiet', 'do so and print nothing'],
      ]),
    )
    .action(async (account, options) => {
      const { depot, out } = connectToChange(io, options)
      const { subject, issuer } = options
      await depot.unbindIdentity({ account, subject, ...(issuer !== undefined && { issuer }) })
      out.show({ account, subject }, { whole: () => `${account} is no longer bound to ${subject}` })
    })

export const accountIdentities: Define = (command, io) =>
  remoteOptions(command)
    .argument('<account>', 'the account')
    .addHelpText(
      'after',
      examples([
        ['account identities jane', 'list the people who may sign in as an account'],
        ['account identities jane --json', 'print them as JSON'],
      ]),
    )
    .action(async (account, options) => {
      const { depot, out } = connect(io, options)
      const found = await depot.listIdentities({ account })
      out.show(found, {
        whole: () =>
          out.table(
            ['ISSUER', 'SUBJECT', 'SINCE'],
            found.identities.map(({ issuer, subject, created_at: since }) => [issuer, subject, since]),
          ),
        brief: () => found.identities.map(({ subject }) => subject),
      })
    })
