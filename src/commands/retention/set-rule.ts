import { isDeepStrictEqual } from 'node:util'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import type { SubjectIds } from '../../ledger/ledger-store.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { originOf } from '../../package/ident.ts'
import { MAX_RULES, countRules, deleteRule, findRule, upsertRule } from '../../retention/rule-store.ts'
import { getView } from '../../revisions/view-store.ts'
import { expectRuleFits } from '../../views/retention-rule.ts'
import type { RetentionRule, RuleScope } from '../../views/retention-rule.ts'

/**
 * Sets the retention rule of the depot, an origin, a package or a view, or removes it. Throws `not_found` for
 * the origin, for a view and for a rule to remove, `refused` for previews, `invalid_request` for a rule that
 * does not fit its scope, and `conflict` at the limit of rules.
 */
export async function setRetention(
  context: CommandContext,
  { scope, rule }: { scope: RuleScope; rule: RetentionRule | undefined },
): Promise<{ isChanged: boolean }> {
  const { trx, at, actor } = context
  const subject = await subjectOf(context, scope)
  const before = await findRule(trx, scope)
  if (rule === undefined) {
    if (before === undefined) throw new DepotError('not_found', 'there is no such retention rule')
    await deleteRule(trx, scope)
  } else {
    expectRuleFits(rule, scope)
    for (const view of rule.promotedTo ?? []) await getView(trx, view)
    if (isDeepStrictEqual(before, rule)) return { isChanged: false }
    if (before === undefined && (await countRules(trx)) >= MAX_RULES)
      throw new DepotError('conflict', `there are already ${MAX_RULES} retention rules`)
    await upsertRule(trx, { scope, rule, accountId: actor.accountId, at })
  }
  const { of: _of, ...named } = scope
  await context.record({ kind: 'retention-set', ...named, rule: rule ?? null }, subject)
  return { isChanged: true }
}

/** Checks that the subject of a rule exists. A package need not: its first release may come later. */
async function subjectOf({ trx }: CommandContext, scope: RuleScope): Promise<SubjectIds> {
  if (scope.of === 'depot') return {}
  if (scope.of === 'origin') return { originId: (await getOrigin(trx, scope.origin)).id }
  if (scope.of === 'package') return { originId: (await getOrigin(trx, originOf(scope.package))).id }
  const view = await getView(trx, scope.view)
  if (view.preview !== undefined)
    throw new DepotError('refused', `${view.name} is a preview, and has no rules of its own`)
  return { viewId: view.id }
}
