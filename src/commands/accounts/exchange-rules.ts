import { DepotError } from '../../errors.ts'
import { getAccount } from '../../accounts/account-store.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { MAX_EXCHANGE_RULES, expectValidRule, parseRuleName } from '../../signin/exchange-rule.ts'
import type { ExchangeRule } from '../../signin/exchange-rule.ts'
import { countRules, deleteRule, findRule, getRule, writeRule } from '../../signin/exchange-rule-store.ts'

/**
 * Creates an exchange rule, or replaces the rule of the same name. An equal rule changes nothing and records
 * no entry. Throws `invalid_request` for a rule that is not valid, `not_found` for an unknown account, and
 * `conflict` if the depot already has the maximum number of rules.
 */
export async function setExchangeRule(
  context: CommandContext,
  rule: ExchangeRule,
): Promise<{ isNew: boolean; isChanged: boolean }> {
  const { trx, at } = context
  parseRuleName(rule.name)
  expectValidRule(rule)
  const { id: accountId } = await getAccount(trx, rule.account)
  const before = await findRule(trx, rule.name)
  if (before !== undefined && isSame(before, rule)) return { isNew: false, isChanged: false }
  if (before === undefined && (await countRules(trx)) >= MAX_EXCHANGE_RULES)
    throw new DepotError('conflict', `the depot has ${MAX_EXCHANGE_RULES} exchange rules, which is the limit`)
  await writeRule(trx, { rule, accountId, at })
  const { name, provider, issuer, claims, account, scope, lifetimeMs } = rule
  await context.record({
    kind: 'exchange-rule-set',
    rule: name,
    provider,
    issuer,
    claims: Object.entries(claims).map(([claim, values]) => ({ claim, values })),
    account,
    scope,
    lifetimeMs,
  })
  return { isNew: before === undefined, isChanged: true }
}

/** Removes a rule. Tokens that it issued stay valid until they expire or are revoked. Throws `not_found`. */
export async function removeExchangeRule(context: CommandContext, input: { name: string }): Promise<void> {
  const { name } = await getRule(context.trx, input.name)
  await deleteRule(context.trx, name)
  await context.record({ kind: 'exchange-rule-removed', rule: name })
}

function isSame(one: ExchangeRule, other: ExchangeRule): boolean {
  return contentOf(one) === contentOf(other)
}

function contentOf({ provider, issuer, claims, account, scope, lifetimeMs }: ExchangeRule): string {
  const sorted = Object.entries(claims).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const { actions, origins, views } = scope
  return JSON.stringify([provider, issuer, sorted, account, [actions, origins, views], lifetimeMs])
}
