import type { z } from 'zod'
import { page, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

/** Formats a page of exchange rules as a table. */
export function rulesText({ rules, next }: z.infer<typeof shapes.ExchangeRules>): string {
  return page(
    ['RULE', 'PROVIDER', 'ACCOUNT', 'ACTIONS', 'ORIGINS', 'VIEWS', 'SECONDS', 'CLAIMS'],
    rules.map((rule) => [
      rule.rule,
      rule.provider,
      rule.account,
      rule.actions.join(','),
      rule.origins?.join(',') ?? 'all',
      rule.views?.join(',') ?? 'all',
      String(rule.lifetime_seconds),
      Object.entries(rule.claims)
        .map(([claim, values]) => `${claim}=${values.join('|')}`)
        .join(' '),
    ]),
    next,
  )
}

/** Formats one exchange rule as a table with one row. */
export function ruleText(rule: z.infer<typeof shapes.ExchangeRule>): string {
  return rulesText({ rules: [rule], next: null })
}

/** Formats the people who are bound to an account as a table. */
export function identitiesText({ account, identities }: z.infer<typeof shapes.Identities>): string {
  const rows = identities.map(({ issuer, subject, created_at: at }) => [
    account,
    issuer,
    subject,
    timeText(at),
  ])
  return page(['ACCOUNT', 'ISSUER', 'SUBJECT', 'SINCE'], rows, null)
}
