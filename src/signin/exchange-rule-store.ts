import type { Selectable } from 'kysely'
import type { Scope } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import type { ExchangeRulesTable } from '../database/tables/accounts.ts'
import { DepotError, quote } from '../errors.ts'
import type { ExchangeRule, Provider } from './exchange-rule.ts'

/** A rule and the times of its first and last change, in epoch milliseconds. */
export type StoredRule = ExchangeRule & { readonly createdAt: number; readonly updatedAt: number }

export async function findRule(db: Db, name: string): Promise<StoredRule | undefined> {
  const row = await ruleRows(db).where('exchange_rules.name', '=', name).executeTakeFirst()
  return row && fromRow(row)
}

/** Returns the rule of this name. Throws `not_found`. */
export async function getRule(db: Db, name: string): Promise<StoredRule> {
  const rule = await findRule(db, name)
  if (rule === undefined) throw new DepotError('not_found', `there is no exchange rule ${quote(name)}`)
  return rule
}

/**
 * Lists rules by name: all of them, or those of one issuer. A page has at most `limit` rules, whose names
 * follow `after`.
 */
export async function listRules(
  db: Db,
  { issuer, after = '', limit }: { issuer?: string; after?: string | undefined; limit?: number } = {},
): Promise<StoredRule[]> {
  const rows = await ruleRows(db)
    .where('exchange_rules.name', '>', after)
    .$if(issuer !== undefined, (query) => query.where('exchange_rules.issuer', '=', issuer ?? ''))
    .orderBy('exchange_rules.name')
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
    .execute()
  return rows.map(fromRow)
}

export async function countRules(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('exchange_rules')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Reports whether a rule names this issuer. */
export async function isKnownIssuer(db: Db, issuer: string): Promise<boolean> {
  const row = await db
    .selectFrom('exchange_rules')
    .select('name')
    .where('issuer', '=', issuer)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Inserts a rule, or replaces the rule of the same name, which keeps its `created_at`. `at` is in epoch
 * milliseconds.
 */
export async function writeRule(
  db: Db,
  { rule, accountId, at }: { rule: ExchangeRule; accountId: number; at: number },
): Promise<void> {
  const settings = {
    provider: rule.provider,
    issuer: rule.issuer,
    claims: JSON.stringify(rule.claims),
    account_id: accountId,
    scope: JSON.stringify(rule.scope),
    lifetime_ms: rule.lifetimeMs,
    updated_at: at,
  }
  await db
    .insertInto('exchange_rules')
    .values({ name: rule.name, ...settings, created_at: at })
    .onConflict((on) => on.column('name').doUpdateSet(settings))
    .execute()
}

export async function deleteRule(db: Db, name: string): Promise<void> {
  await db.deleteFrom('exchange_rules').where('name', '=', name).execute()
}

function ruleRows(db: Db) {
  return db
    .selectFrom('exchange_rules')
    .innerJoin('accounts', 'accounts.id', 'exchange_rules.account_id')
    .selectAll('exchange_rules')
    .select('accounts.name as account')
}

function fromRow(row: Selectable<ExchangeRulesTable> & { account: string }): StoredRule {
  return {
    name: row.name,
    provider: row.provider as Provider,
    issuer: row.issuer,
    claims: JSON.parse(row.claims) as ExchangeRule['claims'],
    account: row.account,
    scope: JSON.parse(row.scope) as Scope,
    lifetimeMs: row.lifetime_ms,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
