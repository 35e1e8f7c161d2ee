import { ACTIONS } from '../../access/access.ts'
import type { Action, Scope } from '../../access/access.ts'
import { generateToken, hashToken, parseExpiry } from '../../accounts/token.ts'
import { readConfig } from '../../config.ts'
import { didYouMean } from '../../text/nearest.ts'
import { isOriginName } from '../../package/ident.ts'
import { isViewName } from '../../views/view.ts'
import { expectKnown } from './known-names.ts'
import { UsageError, onlyArgument, parseOptions } from '../subcommand.ts'
import type { Subcommand } from '../subcommand.ts'
import { submit } from './submit.ts'

const MAX_LABEL_LENGTH = 200

const OPTIONS = {
  expires: { type: 'string' },
  label: { type: 'string', default: '' },
  action: { type: 'string', multiple: true },
  origin: { type: 'string', multiple: true },
  view: { type: 'string', multiple: true },
} as const

export const tokenAdd: Subcommand = {
  usage: 'NAME [--label TEXT] [--expires WHEN] [--action A]… [--origin O]… [--view V]…',
  summary: 'create a token for an account, and print it',
  details: [
    '--expires WHEN  a period such as 90d, 12h, 30m, 4w or 1y, or a date such as 2027-01-31; the default is never',
    `--action A      allow only this action: ${ACTIONS.join(', ')}`,
    '--origin O      limit the token to this origin',
    '--view V        allow changes only to this view',
    'The last three can be repeated, or take several values with commas.',
  ],
  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS)
    const account = onlyArgument(positionals, 'NAME')
    const { label } = values
    if (label.length > MAX_LABEL_LENGTH)
      throw new UsageError(`the label is longer than ${MAX_LABEL_LENGTH} characters`)
    const scope = scopeOf(values)
    const config = readConfig()
    await expectKnown(config, { accounts: [account], ...scope })
    const token = generateToken()
    const expiresAt =
      values.expires === undefined ? {} : { expiresAt: parseExpiry(values.expires, Date.now()) }
    await submit(config, 'issueToken', { account, hash: hashToken(token), label, scope, ...expiresAt })
    console.log(token)
  },
}

function scopeOf(values: { action?: string[]; origin?: string[]; view?: string[] }): Scope {
  const actions = parseList(values.action, `an action: ${ACTIONS.join(', ')}`, isAction)
  const origins = parseList(values.origin, "an origin's name", isOriginName)
  const views = parseList(values.view, "a view's name", isViewName)
  return { ...(actions && { actions }), ...(origins && { origins }), ...(views && { views }) }
}

function parseList<T extends string>(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => text is T,
): T[] | undefined
function parseList(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => boolean,
): string[] | undefined
function parseList(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => boolean,
): string[] | undefined {
  const all = given?.flatMap((text) => text.split(',')).map((text) => text.trim())
  const wrong = all?.find((text) => !isOne(text))
  if (wrong !== undefined)
    throw new UsageError(
      `${JSON.stringify(wrong)} is not ${what}${didYouMean(wrong, isOne === isAction ? ACTIONS : [])}`,
    )
  return all
}

function isAction(text: string): text is Action {
  return ACTIONS.some((action) => action === text)
}
