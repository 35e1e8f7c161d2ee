import type { ExchangeRule, NewExchangeRule } from '../../../client/operations.ts'
import { SEVERAL, collect, examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

type Claims = Record<string, string[]>

export const exchangeRuleSet: Define = (command, io) =>
  remoteOptions(command)
    .argument('<rule>', 'the name of the rule')
    .requiredOption('--provider <name>', 'the CI system: github, gitlab or buildkite')
    .requiredOption(
      '--claim <name=value>',
      'a claim that the ID token must have, with its whole value; repeat it for other claims, and for other values of one claim',
      collectClaims,
    )
    .requiredOption('--account <name>', 'the account of the tokens')
    .requiredOption('--action <action>', `allow only read, upload, promote or manage; ${SEVERAL}`, collect)
    .option('--origin <origin>', `limit the tokens to this origin; ${SEVERAL}`, collect)
    .option('--view <view>', `allow changes only to this view; ${SEVERAL}`, collect)
    .option('--lifetime <period>', 'how long the tokens are valid, from 1m to 24h', '1h')
    .option('--issuer <url>', 'the server that signs the ID tokens, if it is your own')
    .addHelpText(
      'after',
      examples([
        [
          'exchange-rule set app --provider github --claim repository_id=493721345 --claim ref=refs/heads/main --account ci --action upload',
          'let jobs of one branch upload',
        ],
        [
          'exchange-rule set tools --provider gitlab --issuer https://gitlab.example --claim project_id=17 --account ci --action read',
          'let jobs of a project on your own GitLab read',
        ],
      ]),
    )
    .action(async (rule, options) => {
      const { depot, out } = connectToChange(io, options)
      const { provider, claim: claims, account, action, origin, view, lifetime, issuer } = options
      const set = await depot.setExchangeRule({
        rule,
        body: {
          provider: provider as NewExchangeRule['provider'], // the depot checks the provider and the actions
          claims,
          account,
          actions: action as NewExchangeRule['actions'],
          lifetime,
          ...(origin !== undefined && { origins: origin }),
          ...(view !== undefined && { views: view }),
          ...(issuer !== undefined && { issuer }),
        },
      })
      out.show(set, { whole: () => `set the rule ${rule}`, brief: () => [rule] })
    })

export const exchangeRuleList: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['exchange-rule list', 'list the rules by which jobs of CI systems get tokens'],
        ['exchange-rule list --json', 'print them as JSON'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const rules = await Array.fromAsync(depot.each('listExchangeRules', {}))
      out.show(rules, {
        whole: () =>
          out.table(
            ['RULE', 'PROVIDER', 'ACCOUNT', 'ONLY FOR', 'CLAIMS'],
            rules.map((rule) => [rule.rule, rule.provider, rule.account, limitsOf(rule), claimsOf(rule)]),
          ),
        brief: () => rules.map(({ rule }) => rule),
      })
    })

export const exchangeRuleRemove: Define = (command, io) =>
  remoteOptions(command)
    .argument('<rule>', 'the rule')
    .addHelpText(
      'after',
      examples([
        ['exchange-rule remove app', 'give these jobs no more tokens; those that they have stay valid'],
        ['exchange-rule remove app --profile staging', 'do so in another depot'],
      ]),
    )
    .action(async (rule, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.removeExchangeRule({ rule })
      out.show({ rule, state: 'removed' }, { whole: () => `removed the rule ${rule}` })
    })

/**
 * Parses `NAME=VALUE`, and returns the claims `before` with this one added. A value may contain commas and
 * `=`. Throws a {@link UsageError}.
 */
function collectClaims(text: string, before: Claims = {}): Claims {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`${JSON.stringify(text)} is not a claim: write NAME=VALUE`)
  const [name, value] = [text.slice(0, at), text.slice(at + 1)]
  return { ...before, [name]: [...(before[name] ?? []), value] }
}

function claimsOf({ claims }: ExchangeRule): string {
  return Object.entries(claims)
    .map(([name, values]) => `${name}=${values.join('|')}`)
    .join(' ')
}

function limitsOf({ actions, origins, views, lifetime_seconds: seconds }: ExchangeRule): string {
  return [
    actions.join(','),
    ...(origins === null ? [] : [`origins ${origins.join(',')}`]),
    ...(views === null ? [] : [`views ${views.join(',')}`]),
    `${Math.round(seconds / 60)} min`,
  ].join('; ')
}
