import { audienceOfChanges } from '../../access/access.ts'
import type { Audience, Authority } from '../../access/access.ts'
import { expectAdministrator, expectTokenReachesView } from '../../access/rights.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import { expectRevisionKnown } from '../../ledger/position-store.ts'
import { parseIdent, releaseName } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { Basis } from '../../ledger/read-ahead.ts'
import { listOriginsWithChannel } from '../../channels/channel-store.ts'
import type { ChangeRequest, RequestWithAudience } from '../../views/change-request.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import { evaluate, expectAllowed, withoutHidden } from '../../revisions/evaluate.ts'
import type { Evaluation, EvaluationContext } from '../../revisions/evaluate.ts'
import { recordedOverride, requesterOf, rightsRefusals } from '../../views/gates.ts'
import type { Override } from '../../views/gates.ts'
import { briefly, makeRevision } from './make-revision.ts'
import type { BriefOutcome, PromotionOutcome, PromotionDetails } from './make-revision.ts'
import { describeUnsettled } from '../../views/plan.ts'
import type { ViewDelta } from '../../views/plan.ts'
import { resolve } from '../../revisions/resolve.ts'
import type { Resolved } from '../../revisions/resolve.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { Requirement, View, ViewRelease } from '../../views/view.ts'
import { getPastView, getView } from '../../revisions/view-store.ts'

/** The options that every change of a view has. */
export interface ChangeOptions {
  readonly reason?: string
  /** The revision that the view must have. See {@link expectRevision} for the errors. */
  readonly expectRevision?: number
  /** The beginning of that revision's hash in the ledger; see `Position` in ledger/position.ts. */
  readonly expectMark?: string
  readonly idempotency?: IdempotencyKey
  readonly override?: Override
}

export interface PromotionInput extends ChangeOptions {
  readonly view: string
  /** The releases, in the order of promotion. A repeated release counts once. */
  readonly releases: readonly { readonly ident: string; readonly target: Target }[]
}

/** Promotes releases to a view. Does not return the effect. Throws like {@link changeView}. */
export async function promote(
  context: CommandContext,
  { view, releases, ...options }: PromotionInput,
): Promise<BriefOutcome> {
  const request = { view, act: 'promote', source: { releases } } as const
  return briefly(await changeView(context, { ...options, request }))
}

/** Demotes releases from a view, like {@link promote}. */
export async function demote(
  context: CommandContext,
  { view, releases, ...options }: PromotionInput,
): Promise<BriefOutcome> {
  const request = { view, act: 'demote', source: { releases } } as const
  return briefly(await changeView(context, { ...options, request }))
}

/**
 * Makes one change of one view, completely or not at all. Throws `not_found` for a view, revision, release or
 * channel, `not_member`, `invalid_request`, `stale_revision`, `other_history`, `idempotency_mismatch`,
 * `too_large`, `refused` for a change that `unstable` or a preview never allows, and the errors of {@link
 * expectAllowed}.
 */
export async function changeView(
  context: CommandContext,
  input: ChangeOptions & { readonly request: ChangeRequest },
): Promise<PromotionOutcome> {
  return runOnce(
    context,
    input.idempotency,
    { expectStillAllowed: (outcome) => expectStillAllowed(context, outcome) },
    async () => {
      const view = await getView(context.trx, input.request.view)
      await expectRevision(context, view, input)
      const { resolved, evaluation } = await resolveChange(context, view, {
        ...input.request,
        audience: audienceOfChanges(context.caller),
      })
      return applyChange(context, view, { resolved, evaluation }, input)
    },
  )
}

/**
 * Throws `stale_revision` if the view is not at the expected revision, and the errors of {@link
 * expectRevisionKnown}.
 */
export async function expectRevision(
  { trx }: CommandContext,
  view: View,
  { expectRevision: expected, expectMark: mark }: ChangeOptions,
): Promise<void> {
  if (expected === undefined) return
  await expectRevisionKnown(trx, view, { number: expected, mark })
  if (expected !== view.revision)
    throw new DepotError('stale_revision', `${view.name} is at revision ${view.revision}, not ${expected}`)
}

/**
 * Resolves and evaluates a request on the present view. Throws like {@link changeView}, but returns refusals
 * instead of throwing them.
 */
export async function resolveChange(
  context: CommandContext,
  view: View,
  request: RequestWithAudience,
  options: Pick<EvaluationContext, 'proposer' | 'findsMissing' | 'findsUnsettled'> = {},
): Promise<{ resolved: Resolved; evaluation: Evaluation }> {
  expectChangeable(view, request)
  if (request.act === 'set-rule' && context.caller !== 'operator') expectAdministrator(context.caller)
  return context.read(`effect on ${view.name}`, basisOf(view), async (db) => {
    const resolved = await resolve(db, view, request)
    await expectChannels(db, view, resolved.delta, request.audience)
    const evaluation = await evaluate(db, view, resolved.delta, {
      act: request.act,
      clock: context.clock,
      audience: request.audience,
      conflicts: resolved.conflicts,
      caller: context.caller,
      ...options,
    })
    return { resolved, evaluation }
  })
}

/**
 * Writes a resolved change if the view's gates allow it or are overridden. Throws the errors of {@link
 * expectAllowed}.
 */
export async function applyChange(
  context: CommandContext,
  view: View,
  { resolved, evaluation }: { resolved: Resolved; evaluation: Evaluation },
  options: ChangeOptions & { readonly proposer?: string },
): Promise<PromotionOutcome> {
  const { override, reason, proposer } = options
  const refusals = await withoutHidden(context.trx, evaluation.refusals, audienceOfChanges(context.caller))
  const overridden = expectAllowed(view, refusals, { caller: context.caller, override }).map(
    ({ detail }) => detail,
  )
  const { source, of, only, pinned } = resolved
  const outcome = await makeRevision(context, view, evaluation.effect, {
    act: pinned.act,
    ...(reason !== undefined && { reason }),
    ...(of !== undefined && { of }),
    ...(only !== undefined && { only }),
    ...(source !== undefined && { source }),
    ...(proposer !== undefined && { proposer }),
    ...recordedOverride(override, overridden),
  })
  return outcome.isChanged ? { ...outcome, ...describeUnsettled(evaluation.unsettled) } : outcome
}

/**
 * Changes the members of a view as part of another command, such as an upload. The view's gates apply, with
 * the rights of `by`: the caller, or the operator if the right to the command includes this change. With
 * `override`, refusals are overridden with the rights of the caller. Throws `refused` for a preview, and the
 * errors of {@link expectAllowed}.
 */
export async function changeMembers(
  context: CommandContext,
  view: View,
  delta: ViewDelta,
  details: Pick<PromotionDetails, 'act' | 'cause' | 'reason'> & {
    by: Authority
    override?: Override | undefined
  },
): Promise<PromotionOutcome> {
  const { by, override, ...promotion } = details
  expectNoPreview(view)
  const evaluation: EvaluationContext = {
    act: details.act,
    clock: context.clock,
    caller: by,
    audience: audienceOfChanges(by),
  }
  const { effect, refusals } = await context.read(`consequences for ${view.name}`, basisOf(view), (db) =>
    evaluate(db, view, delta, evaluation),
  )
  const isOverridden = override !== undefined && refusals.length > 0
  const overridden = expectAllowed(
    view,
    refusals,
    isOverridden ? { caller: context.caller, override } : { caller: by },
  ).map(({ detail }) => detail)
  return makeRevision(context, view, effect, { ...promotion, ...recordedOverride(override, overridden) })
}

/**
 * Throws `forbidden` if the caller may no longer make a change or see its releases. Called before a stored
 * outcome is returned for a repeated idempotency key.
 */
export async function expectStillAllowed(
  context: CommandContext,
  outcome: PromotionOutcome,
  { isApproval = false } = {},
): Promise<void> {
  const { caller, trx } = context
  if (caller === 'operator') return
  const view = await getPastView(trx, outcome.view)
  expectTokenReachesView(caller, view.name)
  if (outcome.rule !== undefined) expectAdministrator(caller)
  const origins = new Set(
    outcome.releases
      .filter((step) => step.change !== 'unchanged')
      .map(({ ident }) => parseIdent(ident).origin),
  )
  const refusals = rightsRefusals(view, origins, { requester: requesterOf(caller), isApproval })
  if (refusals.length > 0) throw refusalOf('forbidden', refusals)
  const named = [
    ...outcome.releases,
    ...outcome.pointers.flatMap(({ from, to, target }) =>
      [from, to].flatMap((ident) => (ident === null ? [] : [{ ident, target }])),
    ),
  ]
  const hidden = await context.read('hidden releases of the outcome', { views: [] }, (db) =>
    listHidden(db, named, audienceOfChanges(caller)),
  )
  if (hidden.size > 0)
    throw new DepotError(
      'forbidden',
      `the change was made, but it names releases that ${caller.accountName} may no longer see`,
    )
}

/**
 * Returns the views whose changes would make an evaluation outdated. Leaves out the view from which a change
 * takes its releases, because that view is read at a fixed revision.
 */
export function basisOf({ name, gates: { requires = [] } }: View): Basis {
  const required = Map.groupBy(requires, ({ as }) => as)
  const named = (as: Requirement['as']) => (required.get(as) ?? []).map(({ view }) => view)
  const readsPhases = requires.some(({ phases = [] }) => phases.length > 0)
  return { views: [name, ...named('current')], membersOf: named('member'), readsPhases }
}

function expectChangeable(view: View, request: RequestWithAudience): void {
  expectNoPreview(view)
  if (view.name === UNSTABLE && (request.act !== 'promote' || request.isExact === true)) {
    throw new DepotError(
      'refused',
      request.act === 'set-rule'
        ? `${UNSTABLE} keeps its rule: every upload joins it`
        : `nothing is demoted from ${UNSTABLE}: it holds every release`,
    )
  }
}

function expectNoPreview(view: View): void {
  if (view.preview !== undefined)
    throw new DepotError('refused', `${view.name} is a preview: it follows its view and its plan`)
}

/**
 * Checks that a view that a Habitat client created is a channel of the origin of each joining release. Does
 * nothing for other views. Throws `not_found`.
 */
export async function expectChannels(
  db: Db,
  view: View,
  { joining }: ViewDelta,
  audience: Audience,
): Promise<void> {
  if (view.maker !== 'client') return
  const origins = new Map<number, ViewRelease>(joining.map(({ release }) => [release.originId, release]))
  const withChannel = await listOriginsWithChannel(db, view.id, origins.keys())
  for (const [originId, release] of origins) {
    if (withChannel.has(originId)) continue
    const joiningOfOrigin = joining
      .filter((other) => other.release.originId === originId)
      .map((other) => releaseName(other.release))
    const areAllHidden = (await listHidden(db, joiningOfOrigin, audience)).size === joiningOfOrigin.length
    // A caller who sees no release of the origin must not learn its name.
    throw new DepotError(
      'not_found',
      areAllHidden
        ? `an origin has no channel ${view.name}`
        : `the origin ${release.ident.origin} has no channel ${view.name}`,
    )
  }
}
