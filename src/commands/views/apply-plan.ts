import { audienceOfChanges } from '../../access/access.ts'
import type { Authority } from '../../access/access.ts'
import { expectTokenReachesView } from '../../access/rights.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import { parseIdent } from '../../package/ident.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { ChangeRequest, RequestWithAudience } from '../../views/change-request.ts'
import type { Override } from '../../views/gates.ts'
import { requesterOf, mayReject } from '../../views/gates.ts'
import type { PromotionOutcome } from './make-revision.ts'
import {
  countWaiting,
  endPlan,
  deleteOldDrafts,
  getPlan,
  insertPlan,
  filterVisiblePlans,
  planNotFound,
} from '../../revisions/plan-store.ts'
import { closePreviews, showInPreviews } from './preview.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import { applyChange, expectStillAllowed, resolveChange } from './promote.ts'
import { changesAnything, digestOf, effectOf, expiryOf, releasesIn } from '../../revisions/stored-plan.ts'
import type { PlannedEffect, StoredPlan } from '../../revisions/stored-plan.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'

const DRAFT_KEPT_MS = 60 * 60_000
/** The maximum number of proposals that wait for one view. Expired proposals do not count. */
const MAX_WAITING_PROPOSALS = 100
/** How long a proposal is open, unless the view's gates set another time. */
const PROPOSAL_KEPT_MS = 7 * 86_400_000

export interface PlanInput {
  /** The plan's name for clients. Whoever submits the command draws it at random. */
  readonly token: string
  readonly request: ChangeRequest
  readonly reason?: string
}

type PlanInputOnce = PlanInput & { readonly idempotency?: IdempotencyKey }

/** The outcome of applying a plan: the promotion or, if the plan is stale, a new draft. */
export type Applied = { readonly outcome: PromotionOutcome } | { readonly stale: StoredPlan }

export interface ApplyInput {
  readonly plan: string
  /** The token of the new draft, if the plan is stale. */
  readonly nextToken: string
  readonly reason?: string
  readonly override?: Override
  readonly idempotency?: IdempotencyKey
}

/**
 * Resolves and stores a change without making it. What gates refuse is listed in the plan. All other errors
 * of `changeView` (promote.ts) are thrown, and `forbidden` if the plan would name releases that its author
 * may not see.
 */
export async function draftPlan(context: CommandContext, input: PlanInputOnce): Promise<StoredPlan> {
  return planOnce(context, input, async (plan) => {
    const draft = await createPlan(context, 'draft', plan)
    await deleteOldDrafts(context.trx, context.actor.accountId, context.clock)
    return draft
  })
}

/**
 * Stores a change as a proposal that a second person must approve. Throws the errors of {@link draftPlan},
 * `forbidden` if the caller may not make the change, `refused` if nothing would change, and `conflict` if too
 * many proposals wait.
 */
export async function propose(context: CommandContext, input: PlanInputOnce): Promise<StoredPlan> {
  return planOnce(context, input, (proposal) => makeProposal(context, proposal))
}

/**
 * Stores a plan with `store`, or finds the plan that the same request stored before. Throws `not_found` if
 * that plan has been deleted since.
 */
async function planOnce(
  context: CommandContext,
  { idempotency, ...input }: PlanInputOnce,
  store: (input: PlanInput) => Promise<StoredPlan>,
): Promise<StoredPlan> {
  let stored: StoredPlan | undefined
  const { token } = await runOnce<{ token: string }>(
    context,
    idempotency,
    { expectStillAllowed: async (made) => expectVisible(context, await getPlan(context.trx, made.token)) },
    async () => {
      stored = await store(input)
      return { token: stored.token }
    },
  )
  return stored ?? getPlan(context.trx, token)
}

async function makeProposal(context: CommandContext, input: PlanInput): Promise<StoredPlan> {
  const { id } = await getView(context.trx, input.request.view)
  if ((await countWaiting(context.trx, id, context.clock.now)) >= MAX_WAITING_PROPOSALS)
    throw new DepotError(
      'conflict',
      `${MAX_WAITING_PROPOSALS} proposals wait for ${input.request.view} already`,
    )
  const proposal = await createPlan(context, 'proposal', input)
  const rights = proposal.effect.refusals.filter(({ rule }) => rule === 'rights')
  if (rights.length > 0) throw refusalOf('forbidden', rights)
  // Rights are checked only for releases that move, so without this anyone could propose an empty change.
  if (!changesAnything(proposal.effect))
    throw new DepotError('refused', `there is nothing to propose: ${proposal.view} would not change`)
  const { view, viewId, token, expiresAt } = proposal
  await context.record(
    { kind: 'proposal-made', view, proposal: token, reason: input.reason ?? null, expiresAt },
    { viewId },
  )
  return proposal
}

/**
 * Applies a draft if it still has the same effect. Otherwise ends it and returns a new draft. Throws
 * `not_found`, `conflict` for a plan that has ended, has expired, is a proposal or is no longer possible,
 * `idempotency_mismatch`, the errors of `expectAllowed`, and `forbidden` if the caller's token does not reach
 * the view or if someone else's draft is stale. The new draft may name releases that are hidden from the
 * caller.
 */
export async function applyPlan(context: CommandContext, input: ApplyInput): Promise<Applied> {
  return runOnce(
    context,
    input.idempotency,
    { expectStillAllowed: (applied) => expectOutcomeAllowed(context, applied) },
    async () => {
      const plan = await getOpenPlan(context, input.plan, 'draft')
      return applyOrReplan(context, plan, input)
    },
  )
}

/**
 * Applies a proposal that the caller may approve. Like {@link applyPlan}, ends a stale proposal and returns a
 * new draft. Throws the errors of {@link applyPlan}.
 */
export async function approve(context: CommandContext, input: ApplyInput): Promise<Applied> {
  return runOnce(
    context,
    input.idempotency,
    { expectStillAllowed: (applied) => expectOutcomeAllowed(context, applied, { isApproval: true }) },
    async () => {
      const plan = await getOpenPlan(context, input.plan, 'proposal')
      // A proposal of the operator's shell has no account. '' is nobody's name, so that everyone counts as a
      // second person; without a proposer, this would not be checked as an approval.
      const applied = await applyOrReplan(context, plan, { ...input, proposer: plan.account ?? '' })
      await recordEnd(context, plan, 'stale' in applied ? 'stale' : 'applied', input.reason)
      return applied
    },
  )
}

/**
 * Withdraws a proposal. Only its author or an approver may do this. Throws `not_found`, `conflict` and
 * `forbidden`.
 */
export async function reject(
  context: CommandContext,
  input: { plan: string; reason?: string },
): Promise<StoredPlan> {
  const plan = await getOpenPlan(context, input.plan, 'proposal')
  const view = await getView(context.trx, plan.view)
  expectMayEnd(plan, view, context.caller)
  await endPlan(context.trx, plan.id, { at: context.at, how: 'rejected', deciderId: context.actor.accountId })
  await closePreviews(context, plan.id)
  await recordEnd(context, plan, 'rejected', input.reason)
  const by = requesterOf(context.caller)?.account
  return { ...plan, end: { at: context.at, how: 'rejected', by, revision: undefined } }
}

/** Resolves and evaluates a request, and stores the result as a plan. */
async function createPlan(
  context: CommandContext,
  kind: StoredPlan['kind'],
  { token, reason, request }: PlanInput,
): Promise<StoredPlan> {
  const audience = audienceOfChanges(context.caller)
  const view = await getView(context.trx, request.view)
  const resolution = await resolveChange(
    context,
    view,
    { ...request, audience },
    { findsMissing: true, findsUnsettled: true },
  )
  const effect = effectOf(view, resolution)
  await expectMayName(context, view, effect)
  const keptMs = kind === 'draft' ? DRAFT_KEPT_MS : (view.gates.approval?.expiresMs ?? PROPOSAL_KEPT_MS)
  const { pinned } = resolution.resolved
  return storePlan(context, view, { kind, token, keptMs, pinned, effect, reason })
}

/** Throws `forbidden` if the effect concerns releases that are hidden from the caller. */
async function expectMayName(context: CommandContext, view: View, effect: PlannedEffect): Promise<void> {
  const audience = audienceOfChanges(context.caller)
  if (audience.seesAll) return
  const hidden = await context.read('hidden releases of the plan', { views: [] }, (db) =>
    listHidden(db, releasesIn(effect), audience),
  )
  if (hidden.size === 0) return
  throw new DepotError(
    'forbidden',
    `the change concerns releases that not everyone who can read ${view.name} may see`,
  )
}

async function storePlan(
  context: CommandContext,
  view: View,
  plan: {
    kind: StoredPlan['kind']
    token: string
    keptMs: number
    pinned: RequestWithAudience
    effect: PlannedEffect
    reason: string | undefined
  },
): Promise<StoredPlan> {
  const { kind, token, keptMs, pinned, effect, reason } = plan
  const { now, setBackAt } = context.clock
  return insertPlan(context.trx, context.actor.accountId, {
    token,
    kind,
    view: view.name,
    viewId: view.id,
    account: requesterOf(context.caller)?.account,
    request: { ...pinned, ...(reason !== undefined && { reason }) },
    effect,
    digest: digestOf(kind, effect),
    createdAt: now,
    expiresAt: now + keptMs,
    setBackAt,
    end: undefined,
  })
}

/** Throws `not_found` if the plan names releases that are hidden from the caller. */
async function expectVisible(context: CommandContext, plan: StoredPlan): Promise<void> {
  const visible = await context.read(`visibility of ${plan.token}`, { views: [] }, (db) =>
    filterVisiblePlans(db, [plan], audienceOfChanges(context.caller)),
  )
  if (visible.length > 0) return
  throw planNotFound(plan.token)
}

/** Throws if the caller may no longer see the outcome of applying a plan; see {@link expectStillAllowed}. */
async function expectOutcomeAllowed(
  context: CommandContext,
  applied: Applied,
  options?: { isApproval: boolean },
): Promise<void> {
  if ('outcome' in applied) await expectStillAllowed(context, applied.outcome, options)
  else await expectVisible(context, applied.stale)
}

/**
 * Returns a plan that has neither ended nor expired. `token` is the plan's. Throws `not_found`, `forbidden`
 * if the caller's token does not reach the view, and `conflict` for a plan that has ended or expired or is
 * of the other kind.
 */
async function getOpenPlan(
  context: CommandContext,
  token: string,
  kind: StoredPlan['kind'],
): Promise<StoredPlan> {
  const plan = await getPlan(context.trx, token)
  await expectVisible(context, plan)
  if (context.caller !== 'operator') expectTokenReachesView(context.caller, plan.view)
  if (plan.kind !== kind)
    throw new DepotError(
      'conflict',
      plan.kind === 'draft'
        ? 'the plan is a draft: apply it'
        : 'the plan is a proposal: approve or reject it',
    )
  if (plan.end?.how === 'applied')
    throw new DepotError(
      'conflict',
      `the ${kind} was already applied: it made revision ${plan.end.revision} of ${plan.view}`,
    )
  if (plan.end !== undefined) throw new DepotError('conflict', `the ${kind} has ended: it is ${plan.end.how}`)
  const expiresAt = expiryOf(plan, context.clock.now)
  if (expiresAt <= context.clock.now)
    throw new DepotError('conflict', `the ${kind} expired at ${new Date(expiresAt).toISOString()}`)
  return plan
}

/**
 * Applies a plan that still has the same effect. Otherwise ends the plan and stores a draft with the present
 * effect.
 */
async function applyOrReplan(
  context: CommandContext,
  plan: StoredPlan,
  input: ApplyInput & { proposer?: string },
): Promise<Applied> {
  const { trx, at } = context
  const { proposer, nextToken } = input
  const view = await getView(trx, plan.view)
  const { reason: planned, ...request } = plan.request
  const reason = input.reason ?? planned
  const resolution = await resolvePlannedChange(context, view, request, {
    findsMissing: true,
    findsUnsettled: true,
    ...(proposer !== undefined && { proposer }),
  })
  const deciderId = context.actor.accountId
  const effect = effectOf(view, resolution)
  if (digestOf(plan.kind, effect) !== plan.digest) {
    expectMayEnd(plan, view, context.caller)
    const stale = await storePlan(context, view, {
      kind: 'draft',
      token: nextToken,
      keptMs: DRAFT_KEPT_MS,
      pinned: resolution.resolved.pinned,
      effect,
      reason,
    })
    await endPlan(trx, plan.id, { at, how: 'stale', deciderId })
    await showInPreviews(context, view, plan.id, stale)
    return { stale }
  }
  const outcome = await applyChange(context, view, resolution, {
    ...input,
    ...(reason !== undefined && { reason }),
  })
  await endPlan(trx, plan.id, { at, how: 'applied', deciderId, revision: outcome.revision })
  await closePreviews(context, plan.id)
  return { outcome }
}

/** Throws `forbidden` unless the caller is the plan's author or may reject it. */
function expectMayEnd({ account, kind, effect }: StoredPlan, view: View, caller: Authority): void {
  const requester = requesterOf(caller)
  if (requester === undefined || requester.account === account) return
  const origins = new Set(effect.releases.map(({ ident }) => parseIdent(ident).origin))
  if (!mayReject(requester, view.gates, origins))
    throw new DepotError(
      'forbidden',
      kind === 'draft'
        ? `the draft would now have another effect, and only ${account ?? 'the operator'} may replace it: make a plan of your own`
        : `${requester.account} may not approve or reject proposals for ${view.name}`,
    )
}

/**
 * Like `resolveChange`, but an absent release or member is a `conflict`, because it was there when the plan
 * was made.
 */
async function resolvePlannedChange(
  ...args: Parameters<typeof resolveChange>
): ReturnType<typeof resolveChange> {
  try {
    return await resolveChange(...args)
  } catch (cause) {
    if (!(cause instanceof DepotError) || (cause.code !== 'not_found' && cause.code !== 'not_member'))
      throw cause
    throw new DepotError('conflict', `the planned change is no longer possible: ${cause.message}`, {
      cause,
      parts: cause.parts,
    })
  }
}

async function recordEnd(
  context: CommandContext,
  plan: StoredPlan,
  how: 'applied' | 'rejected' | 'stale',
  reason: string | undefined,
): Promise<void> {
  await context.record(
    { kind: 'proposal-ended', view: plan.view, proposal: plan.token, how, reason: reason ?? null },
    { viewId: plan.viewId },
  )
}
