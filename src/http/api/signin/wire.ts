import type { z } from 'zod'
import type { StoredRule } from '../../../signin/exchange-rule-store.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

/** Converts an exchange rule to the JSON of `/api/v1`. */
export function wireRule(rule: StoredRule): z.infer<typeof shapes.ExchangeRule> {
  const { actions = [], origins, views } = rule.scope
  return {
    rule: rule.name,
    provider: rule.provider,
    issuer: rule.issuer,
    claims: Object.fromEntries(Object.entries(rule.claims).map(([claim, values]) => [claim, [...values]])),
    account: rule.account,
    actions: [...actions],
    origins: origins === undefined ? null : [...origins],
    views: views === undefined ? null : [...views],
    lifetime_seconds: rule.lifetimeMs / 1_000,
    created_at: wireTime(rule.createdAt),
    updated_at: wireTime(rule.updatedAt),
  }
}
