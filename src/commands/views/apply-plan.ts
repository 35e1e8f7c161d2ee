import { audienceOfChanges } from '../../access/access.ts'
import type { Authority } from '../../access/access.ts'
import { expectView } from '../../access/rights.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import { parseIdent } from '../../package/ident.ts'
import type { Change } from '../../ledger/change.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { ChangeRequest } from '../../views/change-request.ts'
import type { Evaluation, Override } from '../../revisions/evaluate.ts'
import { requesterOf, mayReject } from '../../views/gates.ts'
import type { PromotionOutcome } from './make-revision.ts'
import {
  countWaiting,
  endPlan,
  forgetOldDrafts,
  getPlan,
  insertPlan,
  onlyVisible,
  planNotFound,
} from '../../revisions/plan-store.ts'
import { closePreviews, showInPreviews } from './preview.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import { applyChange, expectStillAllowed, resolveChange } from './promote.ts'
import type { Resolved } from '../../revisions/resolve.ts'
import { changesAnything, digestOf, effectOf, expiryOf, releasesIn } from '../../revisions/stored-plan.ts'
import type { StoredPlan } from '../../revisions/stored-plan.ts'
import type { View } from '../../views/view.ts'
import { getView } from '../../revisions/view-store.ts'

const DRAFT_KEPT_MS = 60 * 60_000
/** Of one view. */
const MOST_WAITING = 100
const PROPOSAL_KEPT_MS = 7 * 86_400_000

/** A plan's token is made by who submits the command, so that a command has one outcome. */
export interface PlanInput {
  readonly token: string
  readonly request: ChangeRequest
  readonly reason?: string
}

/** What applying a plan came to: the promotion, or another plan, because this one would no longer do what it says. */
export type Applied = { readonly outcome: PromotionOutcome } | { readonly stale: StoredPlan }

export interface ApplyInput {
  readonly plan: string
  /** Of the plan that takes its place, where it is stale. */
  readonly nextToken: string
  readonly reason?: string
  readonly override?: Override
  readonly idempotency?: IdempotencyKey
}

/**
 * Works out a change and keeps it, without making it. Throws as `changeView`, but for what rules say, which is in the plan; and
 * `forbidden` for a plan that would name what its maker may not see.
 */
export async function draftPlan(change: Change, input: PlanInput): Promise<StoredPlan> {
  const plan = await keep(change, 'draft', input)
  await forgetOldDrafts(change.trx, change.actor.accountId, change.clock)
  return plan
}

/** Keeps a change until a second person approves it. Throws as {@link draftPlan}, `forbidden` for who may not make the change, `refused` where
 * nothing would change, and `conflict` where too many wait. */
export async function propose(change: Change, input: PlanInput): Promise<StoredPlan> {
  const { id } = await getView(change.trx, input.request.view)
  if ((await countWaiting(change.trx, id, change.clock.now)) >= MOST_WAITING)
    throw new DepotError('conflict', `${MOST_WAITING} proposals wait for ${input.request.view} already`)
  const proposal = await keep(change, 'proposal', input)
  const rights = proposal.effect.refusals.filter(({ rule }) => rule === 'rights')
  if (rights.length > 0) throw refusalOf('forbidden', rights)
  // Rights are asked of what moves: where nothing does, anyone could propose.
  if (!changesAnything(proposal.effect))
    throw new DepotError('refused', `there is nothing to propose: ${proposal.view} would not change`)
  const { viewId } = await subjectOf(change, proposal)
  const { view, token, expiresAt } = proposal
  await change.record(
    { kind: 'proposal-made', view, proposal: token, reason: input.reason ?? null, expiresAt },
    { viewId },
  )
  return proposal
}

/**
 * Makes what a draft says, if that is what would happen now; else answers with a new draft. Throws `not_found`, `conflict` for one
 * that was applied or can no longer be made, `idempotency_mismatch`, and what rules say.
 */
export async function applyPlan(change: Change, input: ApplyInput): Promise<Applied> {
  return runOnce(
    change,
    input.idempotency,
    { expectStill: (applied) => expectStillTold(change, applied) },
    async () => {
      const plan = await getOpen(change, input.plan, 'draft')
      return carryOut(change, plan, input)
    },
  )
}

/** Makes what a proposal says, by a second person. As {@link applyPlan}; a proposal that is stale has ended. */
export async function approve(change: Change, input: ApplyInput): Promise<Applied> {
  return runOnce(
    change,
    input.idempotency,
    { expectStill: (applied) => expectStillTold(change, applied, { isApproval: true }) },
    async () => {
      const plan = await getOpen(change, input.plan, 'proposal')
      const applied = await carryOut(change, plan, { ...input, proposer: plan.account ?? '' })
      await recordEnd(change, plan, 'stale' in applied ? 'stale' : 'applied', input.reason)
      return applied
    },
  )
}

/** Ends a proposal without making it: by who proposed it, or by who may approve it. Throws `not_found`, `conflict` and `forbidden`. */
export async function reject(change: Change, input: { plan: string; reason?: string }): Promise<StoredPlan> {
  const plan = await getOpen(change, input.plan, 'proposal')
  const view = await getView(change.trx, plan.view)
  expectMayEnd(plan, view, change.caller)
  await endPlan(change.trx, plan.id, { at: change.at, how: 'rejected', deciderId: change.actor.accountId })
  await closePreviews(change, plan.id)
  await recordEnd(change, plan, 'rejected', input.reason)
  return getPlan(change.trx, plan.token)
}

async function keep(
  change: Change,
  kind: StoredPlan['kind'],
  { token, reason, ...input }: PlanInput,
): Promise<StoredPlan> {
  const { trx } = change
  const request = { ...input.request, audience: audienceOfChanges(change.caller) }
  const view = await getView(trx, request.view)
  const worked = await resolveChange(change, view, request, { isThorough: true })
  const { audience } = request
  const hidden = audience.seesAll
    ? new Set()
    : await change.read('what the plan names and may not be seen', { views: [] }, (db) =>
        listHidden(db, releasesIn(effectOf(view, worked)), audience),
      )
  if (hidden.size > 0)
    throw new DepotError(
      'forbidden',
      `this would change what not everyone who may look at ${view.name} may see`,
    )
  const keptMs = kind === 'draft' ? DRAFT_KEPT_MS : (view.gates.approval?.expiresMs ?? PROPOSAL_KEPT_MS)
  await insert(change, view, { kind, token, keptMs, worked, ...(reason !== undefined && { reason }) })
  return getPlan(trx, token)
}

async function insert(
  change: Change,
  view: View,
  plan: {
    kind: StoredPlan['kind']
    token: string
    keptMs: number
    reason?: string
    worked: { resolved: Resolved; evaluation: Evaluation }
  },
): Promise<number> {
  const { kind, token, keptMs, reason, worked } = plan
  const { now } = change.clock
  const effect = effectOf(view, worked)
  const request = { ...worked.resolved.pinned, ...(reason !== undefined && { reason }) }
  const digest = digestOf(kind, effect)
  return insertPlan(change.trx, {
    token,
    kind,
    viewId: view.id,
    accountId: change.actor.accountId,
    request,
    effect,
    digest,
    createdAt: now,
    expiresAt: now + keptMs,
  })
}

/** Throws `not_found` for a plan that names what the caller may not see. */
async function expectVisible(change: Change, plan: StoredPlan): Promise<void> {
  const visible = await change.read(`sight of ${plan.token}`, { views: [] }, (db) =>
    onlyVisible(db, [plan], audienceOfChanges(change.caller)),
  )
  if (visible.length > 0) return
  throw planNotFound(plan.token)
}

/** As {@link expectStillAllowed}, for what applying a plan came to. */
async function expectStillTold(
  change: Change,
  applied: Applied,
  how?: { isApproval: boolean },
): Promise<void> {
  if ('outcome' in applied) await expectStillAllowed(change, applied.outcome, how)
  else await expectVisible(change, applied.stale)
}

/** Throws `not_found`, `forbidden` for a token that does not reach the view, and `conflict` for a plan that has ended. */
async function getOpen(change: Change, token: string, kind: StoredPlan['kind']): Promise<StoredPlan> {
  const plan = await getPlan(change.trx, token)
  await expectVisible(change, plan)
  if (change.caller !== 'operator') expectView(change.caller, plan.view)
  if (plan.kind !== kind)
    throw new DepotError(
      'conflict',
      plan.kind === 'draft'
        ? 'this is a plan, which is applied'
        : 'this is a proposal, which is approved or rejected',
    )
  if (plan.end?.how === 'applied')
    throw new DepotError(
      'conflict',
      `this was applied before: it made revision ${plan.end.revision} of ${plan.view}`,
    )
  if (plan.end !== undefined) throw new DepotError('conflict', `this has ended: it is ${plan.end.how}`)
  const expiresAt = expiryOf(plan, change.clock.now)
  if (expiresAt <= change.clock.now)
    throw new DepotError('conflict', `this has expired at ${new Date(expiresAt).toISOString()}`)
  return plan
}

async function carryOut(
  change: Change,
  plan: StoredPlan,
  input: ApplyInput & { proposer?: string },
): Promise<Applied> {
  const { trx, at } = change
  const { proposer, nextToken } = input
  const view = await getView(trx, plan.view)
  const { reason: planned, ...request } = plan.request
  const reason = input.reason ?? planned
  const worked = await resolvePlannedChange(change, view, request, {
    isThorough: true,
    ...(proposer !== undefined && { proposer }),
  })
  const deciderId = change.actor.accountId
  if (digestOf(plan.kind, effectOf(view, worked)) !== plan.digest) {
    expectMayEnd(plan, view, change.caller)
    const planId = await insert(change, view, {
      kind: 'draft',
      token: nextToken,
      keptMs: DRAFT_KEPT_MS,
      worked,
      ...(reason !== undefined && { reason }),
    })
    await endPlan(trx, plan.id, { at, how: 'stale', deciderId })
    await showInPreviews(change, view, plan.id, planId)
    return { stale: await getPlan(trx, nextToken) }
  }
  const outcome = await applyChange(change, view, worked, {
    ...input,
    ...(reason !== undefined && { reason }),
  })
  await endPlan(trx, plan.id, { at, how: 'applied', deciderId, revision: outcome.revision })
  await closePreviews(change, plan.id)
  return { outcome }
}

/** Its maker, or who may decide about it. Throws `forbidden`. */
function expectMayEnd({ account, effect }: StoredPlan, view: View, caller: Authority): void {
  const requester = requesterOf(caller)
  if (requester === undefined || requester.account === account) return
  const origins = new Set(effect.releases.map(({ ident }) => parseIdent(ident).origin))
  if (!mayReject(requester, view.gates, origins))
    throw new DepotError('forbidden', `${requester.account} is not among those who decide for ${view.name}`)
}

/** As `resolveChange`; what is no longer there is a conflict, since it was there. */
async function resolvePlannedChange(
  ...given: Parameters<typeof resolveChange>
): ReturnType<typeof resolveChange> {
  try {
    return await resolveChange(...given)
  } catch (cause) {
    if (!(cause instanceof DepotError) || (cause.code !== 'not_found' && cause.code !== 'not_member'))
      throw cause
    throw new DepotError('conflict', `this can no longer be done: ${cause.message}`, {
      cause,
      parts: cause.parts,
    })
  }
}

async function recordEnd(
  change: Change,
  plan: StoredPlan,
  how: 'applied' | 'rejected' | 'stale',
  reason: string | undefined,
): Promise<void> {
  await change.record(
    { kind: 'proposal-ended', view: plan.view, proposal: plan.token, how, reason: reason ?? null },
    await subjectOf(change, plan),
  )
}

async function subjectOf(change: Change, plan: StoredPlan): Promise<{ viewId: number }> {
  const { id } = await getView(change.trx, plan.view)
  return { viewId: id }
}
