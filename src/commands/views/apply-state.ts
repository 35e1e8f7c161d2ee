import { audienceOfChanges } from '../../access/access.ts'
import { expectAdministrator } from '../../access/rights.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import type { Override } from '../../views/gates.ts'
import type { StatePlan, StateRefusal } from '../../revisions/state-plan.ts'
import { getView, updateGates } from '../../revisions/view-store.ts'
import type { DesiredView } from '../../views/desired-state.ts'
import { recordedOverride, isOverridable, mayOverride, requesterOf } from '../../views/gates.ts'
import { endView } from './close-view.ts'
import { createView } from './create-view.ts'
import { makeRevision } from './make-revision.ts'
import type { PromotionOutcome } from './make-revision.ts'
import { planState } from './plan-state.ts'
import type { PlannedView } from './plan-state.ts'
import { expectStillAllowed } from './promote.ts'
import { setUngoverned } from './ungoverned.ts'

export interface ApplyStateInput {
  readonly views: readonly DesiredView[]
  /** The ID of the plan to apply; without it, any plan is applied. */
  readonly plan?: string
  readonly reason?: string
  readonly override?: Override
  readonly idempotency?: IdempotencyKey
}

/** What was done, or the present plan if it is not the expected one. */
export type AppliedState =
  | { readonly plan: StatePlan; readonly promotions: readonly PromotionOutcome[] }
  | { readonly stale: StatePlan }

/**
 * Makes several views as desired, completely or not at all; other views stay. Each changed setting and each
 * new revision gets its usual ledger entry. Throws like {@link planState}; also `forbidden`, `conflict` or
 * `refused` with every refusal of every view as a part; and `idempotency_mismatch`.
 */
export async function applyState(context: CommandContext, input: ApplyStateInput): Promise<AppliedState> {
  return runOnce<AppliedState>(
    context,
    input.idempotency,
    { expectStillAllowed: (applied) => expectMayStillSee(context, applied) },
    async () => {
      const { plan, views } = await planState({ ...context, db: context.trx }, input.views)
      if (input.plan !== undefined && input.plan !== plan.id) return { stale: plan }
      expectAllowed(context, views, input.override)
      await changeSettings(context, views)
      return { plan, promotions: await changeContents(context, views, input) }
    },
  )
}

/**
 * Throws unless the gates allow every change or are overridden. Where the caller lacks rights, the error
 * shows no other refusals of that view.
 */
function expectAllowed(
  { caller }: CommandContext,
  views: readonly PlannedView[],
  override: Override | undefined,
): void {
  const requester = requesterOf(caller)
  const remaining = views.flatMap(({ view, plan: { refusals } }): StateRefusal[] => {
    const rights = refusals.filter(({ rule }) => rule === 'rights')
    if (rights.length > 0) return rights
    if (override === undefined || refusals.length === 0) return [...refusals]
    if (mayOverride(requester, view.gates)) return refusals.filter((refusal) => !isOverridable(refusal))
    const detail = `${requester?.account} may not override the rules of ${view.name}`
    return [{ rule: 'rights', detail, pointer: `/views/${view.name}` }]
  })
  if (remaining.length > 0) throw refusalOf(codeOf(remaining), remaining)
}

function codeOf(refusals: readonly StateRefusal[]): ErrorCode {
  const rules = new Set(refusals.map(({ rule }) => rule))
  return rules.has('rights') ? 'forbidden' : rules.has('conflict') ? 'conflict' : 'refused'
}

/** Creates views, then sets gates and ungoverned origins. Gates may name views that are created here. */
async function changeSettings(context: CommandContext, views: readonly PlannedView[]): Promise<void> {
  const { trx } = context
  for (const { view, plan } of views)
    if (plan.act === 'create')
      await createView(context, { name: view.name, rule: view.rule, maker: 'operator' })
  for (const { view, plan } of views) {
    if (plan.gates === undefined && plan.ungoverned === undefined) continue
    const { gates } = view
    const present = await getView(trx, view.name)
    if (plan.gates !== undefined) {
      await updateGates(trx, present.id, gates)
      await context.record({ kind: 'gates-set', view: view.name, gates }, { viewId: present.id })
    }
    if (plan.ungoverned !== undefined) await setUngoverned(context, present, view.ungoverned)
  }
}

/** Makes the revisions, and closes views. */
async function changeContents(
  context: CommandContext,
  views: readonly PlannedView[],
  { reason, override }: ApplyStateInput,
): Promise<PromotionOutcome[]> {
  const promotions: PromotionOutcome[] = []
  for (const { view, change, plan } of views) {
    if (change !== undefined) {
      const refusals = plan.refusals.map(({ detail }) => detail)
      const promotion = await makeRevision(context, await getView(context.trx, view.name), change.effect, {
        act: change.act,
        ...(reason !== undefined && { reason }),
        ...recordedOverride(override, refusals),
      })
      promotions.push(promotion)
    }
    if (plan.act === 'close') await endView(context, view)
  }
  return promotions
}

/**
 * Throws `forbidden` if the caller may no longer make the changes, or see the releases that the outcome
 * names. Called before a stored outcome is returned for a repeated idempotency key.
 */
async function expectMayStillSee(context: CommandContext, applied: AppliedState): Promise<void> {
  const { caller } = context
  if (caller === 'operator') return
  const { views } = 'stale' in applied ? applied.stale : applied.plan
  if ('promotions' in applied) {
    if (views.some(changesSettings)) expectAdministrator(caller)
    for (const promotion of applied.promotions) await expectStillAllowed(context, promotion)
  }
  const named = views.flatMap(({ releases, pointers }) => [
    ...releases,
    ...pointers.flatMap(({ from, to, target }) =>
      [from, to].flatMap((ident) => (ident === null ? [] : [{ ident, target }])),
    ),
  ])
  const hidden = await context.read('hidden releases of the stored outcome', { views: [] }, (db) =>
    listHidden(db, named, audienceOfChanges(caller)),
  )
  if (hidden.size > 0)
    throw new DepotError('forbidden', `the outcome names releases that ${caller.accountName} may not see`)
}

function changesSettings({ act, rule, gates, ungoverned }: StatePlan['views'][number]): boolean {
  const changed = [rule, gates, ungoverned].some((setting) => setting !== undefined)
  return act === 'create' || act === 'close' || changed
}
