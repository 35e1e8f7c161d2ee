import { ACTIONS } from '../access/access.ts'
import type { Action, Scope } from '../access/access.ts'
import { generateToken, hashToken, parseExpiry } from '../accounts/token.ts'
import { readConfig } from '../config.ts'
import { didYouMean } from '../text/nearest.ts'
import { isOriginName } from '../package/ident.ts'
import { isViewName } from '../views/view.ts'
import { expectKnown } from './known-names.ts'
import { UsageError, onlyArgument, parseOptions } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'
import { submit } from './submit.ts'

const LONGEST_LABEL = 200

const OPTIONS = {
  expires: { type: 'string' },
  label: { type: 'string', default: '' },
  action: { type: 'string', multiple: true },
  origin: { type: 'string', multiple: true },
  view: { type: 'string', multiple: true },
} as const

export const tokenAdd: Subcommand = {
  usage: 'NAME [--label TEXT] [--expires WHEN] [--action A]… [--origin O]… [--view V]…',
  summary: 'make a token of an account, and print the token alone',
  details: [
    '--expires WHEN  90d, 12h, 30m, 4w, 1y, or a date such as 2027-01-31; without it, never',
    `--action A      only for ${ACTIONS.join(', ')}; more than once, or with commas between, for several`,
    '--origin O      only in these origins',
    '--view V        only into these views',
  ],
  async run(args) {
    const { values, positionals } = parseOptions(args, OPTIONS)
    const account = onlyArgument(positionals, 'NAME')
    const { label } = values
    if (label.length > LONGEST_LABEL)
      throw new UsageError(`the label is longer than ${LONGEST_LABEL} characters`)
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
  const actions = items(values.action, `an action: ${ACTIONS.join(', ')}`, isAction)
  const origins = items(values.origin, "an origin's name", isOriginName)
  const views = items(values.view, "a view's name", isViewName)
  return { ...(actions && { actions }), ...(origins && { origins }), ...(views && { views }) }
}

function items<T extends string>(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => text is T,
): T[] | undefined
function items(
  given: readonly string[] | undefined,
  what: string,
  isOne: (text: string) => boolean,
): string[] | undefined
function items(
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
