import { listTokens } from '../../accounts/account-store.ts'
import type { TokenDescription } from '../../accounts/account-store.ts'
import { formatColumns, formatTime } from '../../text/columns.ts'
import { readConfig } from '../../config.ts'
import { expectKnown } from './known-names.ts'
import { readDepot } from './read-depot.ts'
import { onlyArgument, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'

export const tokenList: Subcommand = {
  usage: '[NAME] [--json]',
  summary: 'list all tokens, or the tokens of one account, without their secrets',
  async run(args) {
    const { values, positionals } = parseOptions(args, { json: { type: 'boolean', default: false } })
    const account = positionals.length === 0 ? undefined : onlyArgument(positionals, 'NAME')
    const config = readConfig()
    if (account !== undefined) await expectKnown(config, { accounts: [account] })
    const tokens = await readDepot(config, async (db) => listTokens(db, { account }))
    const now = Date.now()
    console.log(
      values.json
        ? JSON.stringify(
            tokens.map((token) => toJson(token, now)),
            undefined,
            2,
          )
        : formatColumns(
            HEADING,
            tokens.map((token) => toRow(token, now)),
          ),
    )
  },
}

const HEADING = ['ID', 'ACCOUNT', 'STATE', 'LABEL', 'CREATED', 'EXPIRES', 'ONLY FOR']

function toRow(token: TokenDescription, now: number): string[] {
  const { actions = [], origins = [], views = [] } = token.scope
  const scope = [
    actions.join(','),
    origins.length > 0 ? `origins ${origins.join(',')}` : '',
    views.length > 0 ? `views ${views.join(',')}` : '',
  ]
  const onlyFor = scope.filter((part) => part !== '').join('; ')
  return [
    String(token.id),
    token.account,
    stateOf(token, now),
    token.label,
    formatTime(token.createdAt),
    formatTime(token.expiresAt),
    onlyFor,
  ]
}

function toJson(token: TokenDescription, now: number): object {
  return {
    id: token.id,
    account: token.account,
    state: stateOf(token, now),
    label: token.label,
    created_at: formatTime(token.createdAt),
    expires_at: token.expiresAt === undefined ? null : formatTime(token.expiresAt),
    revoked_at: token.revokedAt === undefined ? null : formatTime(token.revokedAt),
    scope: token.scope,
  }
}

function stateOf(token: TokenDescription, now: number): 'active' | 'expired' | 'revoked' {
  if (token.revokedAt !== undefined) return 'revoked'
  return token.expiresAt !== undefined && token.expiresAt <= now ? 'expired' : 'active'
}
