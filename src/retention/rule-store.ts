import { sql } from 'kysely'
import { durationStart } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { inBatches } from '../database/batches.ts'
import type { Db } from '../database/database.ts'
import {
  SETTLED_AFTER_MS,
  formatScope,
  isOfOrigin,
  parseScope,
  scopeNamed,
  scopesOf,
} from '../views/retention-rule.ts'
import type { RetentionRule, RuleScope } from '../views/retention-rule.ts'
import type { PackageParts } from '../package/ident.ts'
import type { ViewRelease } from '../views/view.ts'

/** The maximum number of rules. */
export const MAX_RULES = 1_000

/** A rule with its scope. */
export interface ScopedRule {
  readonly scope: RuleScope
  readonly rule: RetentionRule
}

/** A stored rule. */
export interface StoredRule extends ScopedRule {
  /** The account that set it; `undefined` for the operator's shell. */
  readonly by: string | undefined
  /** Epoch milliseconds. */
  readonly since: number
}

/** Lists all rules by scope, at most {@link MAX_RULES}. */
export async function listRules(db: Db): Promise<StoredRule[]> {
  const rows = await db
    .selectFrom('retention_rules')
    .leftJoin('accounts', 'accounts.id', 'retention_rules.account_id')
    .select(['retention_rules.scope', 'retention_rules.rule', 'accounts.name as by', 'retention_rules.at'])
    .orderBy('retention_rules.scope')
    .execute()
  return rows.map((row) => ({
    scope: parseScope(row.scope),
    rule: JSON.parse(row.rule) as RetentionRule,
    by: row.by ?? undefined,
    since: row.at,
  }))
}

/**
 * Lists, as text, the scopes whose rule was set, changed or removed less than {@link SETTLED_AFTER_MS} ago.
 * Reads the ledger, because a rule that was removed has no row.
 */
export async function listUnsettledScopes(db: Db, clock: Clock): Promise<ReadonlySet<string>> {
  const settledAt = clock.now - SETTLED_AFTER_MS
  const rows = await db
    .selectFrom('ledger')
    .select(['at', 'text'])
    .where(sql<boolean>`kind = 'retention-set'`)
    .where('at', '>', settledAt)
    .execute()
  return new Set(
    rows
      .filter(({ at }) => durationStart(at, clock) > settledAt)
      .map(({ text }) => formatScope(scopeNamed(JSON.parse(text) as Parameters<typeof scopeNamed>[0]))),
  )
}

/** Finds the rule of a scope. */
export async function findRule(db: Db, scope: RuleScope): Promise<RetentionRule | undefined> {
  const row = await db
    .selectFrom('retention_rules')
    .select('rule')
    .where('scope', '=', formatScope(scope))
    .executeTakeFirst()
  return row && (JSON.parse(row.rule) as RetentionRule)
}

/** Counts the rules. */
export async function countRules(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('retention_rules')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Sets the rule of a scope. */
export async function upsertRule(
  db: Db,
  { scope, rule, accountId, at }: ScopedRule & { accountId: number | undefined; at: number },
): Promise<void> {
  const values = { rule: JSON.stringify(rule), account_id: accountId ?? null, at }
  await db
    .insertInto('retention_rules')
    .values({ scope: formatScope(scope), ...values })
    .onConflict((conflict) => conflict.column('scope').doUpdateSet(values))
    .execute()
}

/** Removes the rule of a scope. Reports whether there was one. */
export async function deleteRule(db: Db, scope: RuleScope): Promise<boolean> {
  const deleted = await db
    .deleteFrom('retention_rules')
    .where('scope', '=', formatScope(scope))
    .returning('scope')
    .execute()
  return deleted.length > 0
}

/** Removes the rules of an origin and of its packages. */
export async function deleteRulesOfOrigin(db: Db, origin: string): Promise<void> {
  for (const { scope } of await listRules(db)) if (isOfOrigin(scope, origin)) await deleteRule(db, scope)
}

/** Lists, by release id, those of the named views that contain a release or ever contained it. */
export async function listEverIn(
  db: Db,
  releases: readonly Pick<ViewRelease, 'releaseId' | 'packageId'>[],
  names: readonly string[],
): Promise<Map<number, string[]>> {
  const found = new Map<number, string[]>()
  if (names.length === 0) return found
  for (const batch of inBatches(releases)) {
    const rows = await db
      .selectFrom('releases')
      .crossJoin('views')
      .crossJoin('members')
      .select(['releases.id', 'views.name'])
      .distinct()
      .where(
        'releases.id',
        'in',
        batch.map(({ releaseId }) => releaseId),
      )
      .where('views.name', 'in', names)
      .whereRef('members.view_id', '=', 'views.id')
      .whereRef('members.package_id', '=', 'releases.package_id')
      .whereRef('members.release_id', '=', 'releases.id')
      .execute()
    for (const { id, name } of rows) found.set(id, [...(found.get(id) ?? []), name])
  }
  return found
}

/** Returns the rule that applies to a package: its own, else that of its origin, else that of the depot. */
export function ruleFor(
  rules: ReadonlyMap<string, RetentionRule>,
  ident: PackageParts,
): ScopedRule | undefined {
  for (const scope of scopesOf(ident)) {
    const rule = rules.get(formatScope(scope))
    if (rule !== undefined) return { scope, rule }
  }
  return undefined
}
