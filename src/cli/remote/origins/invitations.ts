import type { DepotClient } from '../../../client/client.ts'
import type { Invitation } from '../../../client/operations.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

export const originInvite: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<account>', 'who is invited')
    .addHelpText(
      'after',
      examples([
        ['origin invite acme jane', 'ask an account to join an origin'],
        ['origin invite acme jane --json', 'print the invitation as JSON'],
      ]),
    )
    .action(async (origin, account, options) => {
      const { depot, out } = connectToChange(io, options)
      const invitation = await depot.invite({ origin, body: { account } })
      out.show(invitation, {
        whole: () => `invited ${account} to ${origin}; hart-depot origin accept ${origin} accepts it`,
        brief: () => [String(invitation.id)],
      })
    })

export const originInvitations: Define = (command, io) =>
  remoteOptions(command)
    .argument('[origin]', 'an origin of yours; the default is your own invitations')
    .addHelpText(
      'after',
      examples([
        ['origin invitations', 'list the origins that invite you'],
        ['origin invitations acme', 'list the accounts that an origin of yours has invited'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connect(io, options)
      const list = await Array.fromAsync(
        origin === undefined
          ? depot.each('listMyInvitations', {})
          : depot.each('listInvitations', { origin }),
      )
      out.show(list, {
        whole: () =>
          list.length === 0
            ? 'There are no invitations.'
            : out.table(
                ['ORIGIN', 'ACCOUNT', 'STATE', 'SINCE'],
                list.map((each) => [
                  each.origin,
                  each.account,
                  each.ignored ? 'ignored' : 'open',
                  each.created_at,
                ]),
              ),
        brief: () => list.map((each) => (origin === undefined ? each.origin : each.account)),
      })
    })

export const originAccept: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'the origin that invites you')
    .addHelpText(
      'after',
      examples([
        ['origin accept acme', 'join an origin that invites you, as a readonly_member'],
        ['origin accept acme --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connectToChange(io, options)
      const { id: invitation, account } = await findOwn(depot, origin)
      await depot.acceptInvitation({ origin, invitation: String(invitation) })
      out.show(
        { origin, account, accepted: true },
        { whole: () => `${account} is a member of ${origin} now` },
      )
    })

export const originIgnore: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'the origin that invites you')
    .addHelpText(
      'after',
      examples([
        ['origin ignore acme', 'hide an invitation'],
        ['origin ignore acme --quiet', 'do so and print nothing'],
      ]),
    )
    .action(async (origin, options) => {
      const { depot, out } = connectToChange(io, options)
      const { id: invitation, account } = await findOwn(depot, origin)
      await depot.ignoreInvitation({ origin, invitation: String(invitation) })
      out.show({ origin, account, ignored: true }, { whole: () => `ignored the invitation to ${origin}` })
    })

export const originRescind: Define = (command, io) =>
  remoteOptions(command)
    .argument('<origin>', 'its name')
    .argument('<account>', 'who was invited')
    .addHelpText(
      'after',
      examples([
        ['origin rescind acme jane', 'withdraw an invitation'],
        ['origin rescind acme jane --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (origin, account, options) => {
      const { depot, out } = connectToChange(io, options)
      for await (const { id, account: invited } of depot.each('listInvitations', { origin }))
        if (invited === account) {
          await depot.rescindInvitation({ origin, invitation: String(id) })
          out.show(
            { origin, account, rescinded: true },
            { whole: () => `withdrew the invitation of ${account}` },
          )
          return
        }
      throw new Exit(EXIT.notFound, `${origin} has not invited ${account}`)
    })

/** Finds the caller's invitation to an origin. Throws {@link Exit}. */
async function findOwn(depot: DepotClient, origin: string): Promise<Invitation> {
  for await (const invitation of depot.each('listMyInvitations', {}))
    if (invitation.origin === origin) return invitation
  throw new Exit(EXIT.notFound, `${origin} does not invite you: see hart-depot origin invitations`)
}
