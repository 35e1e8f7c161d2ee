import type { Command } from '@commander-js/extra-typings'
import type { MadeToken, NewToken, Token } from '../../../client/operations.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import type { Output } from '../../output.ts'
import { elseAdvise } from '../advise.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'
import { LOCAL_TOO } from '../local-too.ts'

type Actions = NonNullable<NewToken['actions']>

export const tokenAddOptions = (command: Command) =>
  remoteOptions(command)
    .argument('[name]', 'the account; the default is your own')
    .option('--label <text>', 'what the token is for')
    .option('--expires <when>', 'a period such as 90d, 12h or 30m, or a date; the default is never')
    .option('--action <action>', `allow only read, upload, promote or manage; ${SEVERAL}`, collect)
    .option('--origin <origin>', `limit it to this origin; ${SEVERAL}`, collect)
    .option(
      '--view <view>',
      `allow changes only to this view; with --action read alone, read only this view; ${SEVERAL}`,
      collect,
    )
    .option(
      '--existing <file>',
      'store a token that the account already has elsewhere, for example at a Builder, instead of making one; - is stdin',
    )
    .addHelpText(
      'after',
      `${examples([
        [
          'token add ci --action upload,promote --view acceptance --expires 90d',
          'create a token for a pipeline',
        ],
        [
          'token add fleet --action read --view delivered',
          'create a token for Supervisors, which reads one view and what its packages need',
        ],
        ['token add --action read --expires 8h > token.txt', 'create a token of your own that can only read'],
        ['token add alice --existing - < token.txt', 'let a token of a Builder go on'],
      ])}\n${LOCAL_TOO} There, the name of the account is needed.`,
    )

export const tokenAdd: Define = (command, io) =>
  tokenAddOptions(command).action(async (account, options) => {
    if (options.existing !== undefined)
      throw new UsageError('--existing works on the machine of the depot, without --url and --profile')
    const { depot, out } = connectToChange(io, options)
    const { label, expires, action: actions, origin: origins, view: views } = options
    const made = await depot.addToken({
      body: {
        ...(account !== undefined && { account }),
        ...(label !== undefined && { label }),
        ...(expires !== undefined && { expires }),
        ...(actions !== undefined && { actions: actions as Actions }), // the depot checks them
        ...(origins !== undefined && { origins }),
        ...(views !== undefined && { views }),
      },
    })
    showNewToken(out, made)
  })

/** Writes the secret alone to stdout. */
export function showNewToken(out: Output, made: MadeToken): void {
  out.note(`This is token ${made.id} of ${made.account}. It is shown only now:`)
  out.show(made, { whole: () => made.secret, brief: () => [made.secret] })
}

export const tokenListOptions = (command: Command) =>
  remoteOptions(command)
    .argument('[name]', 'the account; the default is your own')
    .option('--all', 'the tokens of all accounts')
    .addHelpText(
      'after',
      `${examples([
        ['token list', 'list your tokens, without their secrets'],
        ['token list ci', 'list the tokens of another account, as an administrator'],
      ])}\n${LOCAL_TOO} There, it lists the tokens of all accounts by default.`,
    )

export const tokenList: Define = (command, io) =>
  tokenListOptions(command).action(async (account, options) => {
    const { depot, out } = connect(io, options)
    if (account !== undefined && options.all === true)
      throw new UsageError('--all and an account exclude each other')
    const list = await Array.fromAsync(
      depot.each('listTokens', {
        ...(account !== undefined && { account }),
        ...(options.all === true && { all: 'true' }),
      }),
    )
    showTokens(out, list)
  })

/** Shows tokens without their secrets. */
export function showTokens(out: Output, list: readonly Token[]): void {
  out.show(list, {
    whole: () =>
      out.table(
        ['ID', 'ACCOUNT', 'LABEL', 'STATE', 'LAST USED', 'ONLY FOR'],
        list.map((token) => [
          String(token.id),
          token.account,
          token.label,
          stateOf(token),
          token.last_used_at ?? '',
          limitsOf(token),
        ]),
      ),
    brief: () => list.map(({ id }) => String(id)),
  })
}

export const tokenRevokeOptions = (command: Command) =>
  remoteOptions(command)
    .argument('<id>', 'the ID that hart-depot token list shows', tokenId)
    .addHelpText(
      'after',
      `${examples([
        ['token revoke 7', 'revoke a token at once and for good'],
        ['token revoke 7 --profile staging', 'do so in another depot'],
      ])}\n${LOCAL_TOO}`,
    )

export const tokenRevoke: Define = (command, io) =>
  tokenRevokeOptions(command).action(async (id, options) => {
    const { depot, out } = connectToChange(io, options)
    await elseAdvise(
      depot.revokeToken({ token: String(id) }),
      'hart-depot token list shows the tokens and their IDs',
    )
    out.show({ id, state: 'revoked' }, { whole: () => `revoked token ${id}` })
  })

function tokenId(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new UsageError(`${JSON.stringify(text)} is not the ID of a token: see hart-depot token list`)
  return Number(text)
}

/** Describes the state of a token: until when an active one is valid, and whether this command uses it. */
function stateOf({ state, current, expires_at: until }: Token): string {
  return `${state}${state === 'active' && until !== null ? ` until ${until}` : ''}${current ? ', this one' : ''}`
}

/** Describes what a token is narrowed to; empty for a token that is not narrowed. */
export function limitsOf({ actions, origins, views }: Pick<Token, 'actions' | 'origins' | 'views'>): string {
  return [
    ...(actions === null ? [] : [actions.join(',')]),
    ...(origins === null ? [] : [`origins ${origins.join(',')}`]),
    ...(views === null ? [] : [`views ${views.join(',')}`]),
  ].join('; ')
}
