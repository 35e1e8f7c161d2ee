import { audienceOfChanges } from '../../access/access.ts'
import type { Audience, Authority } from '../../access/access.ts'
import { expectAdministrator, expectView } from '../../access/rights.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import { expectRevisionKnown } from '../../ledger/position-store.ts'
import { formatIdent, parseIdent } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import type { Change } from '../../ledger/change.ts'
import { runOnce } from '../../ledger/idempotency-store.ts'
import type { IdempotencyKey } from '../../ledger/idempotency-store.ts'
import type { Basis } from '../../ledger/read-ahead.ts'
import { channelExists } from '../../channels/channel-store.ts'
import type { ChangeRequest, SeenRequest } from '../../views/change-request.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import { evaluate, expectAllowed, withoutHidden } from '../../revisions/evaluate.ts'
import type { Evaluation, Context, Override } from '../../revisions/evaluate.ts'
import { requesterOf, rightsRefused } from '../../views/gates.ts'
import { makeRevision } from './make-revision.ts'
import type { PromotionOutcome, Why } from './make-revision.ts'
import type { Wanted } from '../../views/plan.ts'
import { resolve } from '../../revisions/resolve.ts'
import type { Resolved } from '../../revisions/resolve.ts'
import { UNSTABLE } from '../../views/view.ts'
import type { Requirement, View, ViewRelease } from '../../views/view.ts'
import { getPastView, getView } from '../../revisions/view-store.ts'

/** How a change is asked for, whatever it is. */
export interface ChangeOptions {
  readonly reason?: string
  /** Refuse with `stale_revision` unless the view is at this revision, and with `other_history` where it is another one than was read. */
  readonly expectRevision?: number
  /** The mark of that revision, as of {@link Position}. */
  readonly expectMark?: string
  readonly idempotency?: IdempotencyKey
  readonly override?: Override
}

export interface PromotionInput extends ChangeOptions {
  readonly view: string
  /** In the order they are promoted; one named twice counts once. */
  readonly releases: readonly { readonly ident: string; readonly target: Target }[]
}

/** Moves releases into a view. As {@link changeView}. */
export async function promote(
  change: Change,
  { view, releases, ...options }: PromotionInput,
): Promise<PromotionOutcome> {
  return changeView(change, { ...options, request: { view, act: 'promote', source: { releases } } })
}

/** Takes releases out of a view. As {@link changeView}. */
export async function demote(
  change: Change,
  { view, releases, ...options }: PromotionInput,
): Promise<PromotionOutcome> {
  return changeView(change, { ...options, request: { view, act: 'demote', source: { releases } } })
}

/**
 * Makes one change of one view, all of it or nothing. Throws `not_found` for a view, revision or release, `not_member`,
 * `stale_revision`, `other_history`, `idempotency_mismatch`, `too_large`, and what {@link expectAllowed} does.
 */
export async function changeView(
  change: Change,
  input: ChangeOptions & { readonly request: ChangeRequest },
): Promise<PromotionOutcome> {
  return runOnce(
    change,
    input.idempotency,
    { expectStill: (outcome) => expectStillAllowed(change, outcome) },
    async () => {
      const view = await getView(change.trx, input.request.view)
      await expectRevision(change, view, input)
      const { resolved, evaluation } = await resolveChange(change, view, {
        ...input.request,
        audience: audienceOfChanges(change.caller),
      })
      return applyChange(change, view, { resolved, evaluation }, input)
    },
  )
}

/** Throws `stale_revision` unless a view is at the revision that the caller expects, where one is expected, and as for {@link expectRevisionKnown}. */
export async function expectRevision(
  { trx }: Change,
  view: View,
  { expectRevision: expected, expectMark: mark }: ChangeOptions,
): Promise<void> {
  if (expected === undefined) return
  await expectRevisionKnown(trx, view, { number: expected, mark })
  if (expected !== view.revision)
    throw new DepotError('stale_revision', `${view.name} is at revision ${view.revision}, not ${expected}`)
}

/** Works out what a request would do to a view now. Throws as {@link changeView}, but for what rules say. */
export async function resolveChange(
  change: Change,
  view: View,
  request: SeenRequest,
  how: { proposer?: string; isThorough?: boolean } = {},
): Promise<{ resolved: Resolved; evaluation: Evaluation }> {
  expectChangeable(view, request)
  if (request.act === 'set-rule' && change.caller !== 'operator') expectAdministrator(change.caller)
  return change.read(`what a change does to ${view.name}`, basisOf(view), async (db) => {
    const resolved = await resolve(db, view, request)
    await expectChannels(db, view, resolved.wanted, request.audience)
    const evaluation = await evaluate(db, view, resolved.wanted, {
      act: request.act,
      clock: change.clock,
      audience: request.audience,
      conflicts: resolved.conflicts,
      caller: change.caller,
      ...how,
    })
    return { resolved, evaluation }
  })
}

/** Makes what was worked out, if the rules of the view let it pass or are set aside. */
export async function applyChange(
  change: Change,
  view: View,
  { resolved, evaluation }: { resolved: Resolved; evaluation: Evaluation },
  how: ChangeOptions & { readonly proposer?: string },
): Promise<PromotionOutcome> {
  const { override, reason, proposer } = how
  const refusals = await withoutHidden(change.trx, evaluation.refusals, audienceOfChanges(change.caller))
  const overridden = expectAllowed(view, refusals, { caller: change.caller, override }).map(
    ({ detail }) => detail,
  )
  const { source, of, only, pinned } = resolved
  return makeRevision(change, view, evaluation.effect, {
    act: pinned.act,
    ...(reason !== undefined && { reason }),
    ...(of !== undefined && { of }),
    ...(only !== undefined && { only }),
    ...(source !== undefined && { source }),
    ...(proposer !== undefined && { proposer }),
    ...(override !== undefined &&
      overridden.length > 0 && { override: { reason: override.reason, refusals: overridden } }),
  })
}

/**
 * A change that follows from another one, such as an upload. It is judged by the view's rules, and made whole or not at all. Rights on
 * the view are those of `by`: the caller's, or the operator's where the change follows from what the caller may do anyway.
 */
export async function changeMembers(
  change: Change,
  view: View,
  wanted: Wanted,
  why: Pick<Why, 'act' | 'cause'> & { by: Authority },
): Promise<PromotionOutcome> {
  const { by, ...cause } = why
  expectNoPreview(view)
  const context: Context = { act: why.act, clock: change.clock, caller: by, audience: audienceOfChanges(by) }
  const { effect, refusals } = await change.read(`what follows for ${view.name}`, basisOf(view), (db) =>
    evaluate(db, view, wanted, context),
  )
  expectAllowed(view, refusals, { caller: by })
  return makeRevision(change, view, effect, cause)
}

/**
 * Refuses to repeat the answer to a change whose caller may no longer make it, or see what it names. Throws `forbidden`, as the change
 * itself would now.
 */
export async function expectStillAllowed(
  change: Change,
  outcome: PromotionOutcome,
  { isApproval = false } = {},
): Promise<void> {
  const { caller, trx } = change
  if (caller === 'operator') return
  const view = await getPastView(trx, outcome.view)
  expectView(caller, view.name)
  if (outcome.rule !== undefined) expectAdministrator(caller)
  const origins = new Set(
    outcome.releases
      .filter((step) => step.change !== 'unchanged')
      .map(({ ident }) => parseIdent(ident).origin),
  )
  const refusals = rightsRefused(view, origins, { requester: requesterOf(caller), isApproval })
  if (refusals.length > 0) throw refusalOf('forbidden', refusals)
  const named = [
    ...outcome.releases,
    ...outcome.pointers.flatMap(({ from, to, target }) =>
      [from, to].flatMap((ident) => (ident === null ? [] : [{ ident, target }])),
    ),
  ]
  const hidden = await change.read('what was done and may not be seen', { views: [] }, (db) =>
    listHidden(db, named, audienceOfChanges(caller)),
  )
  if (hidden.size > 0)
    throw new DepotError(
      'forbidden',
      `this was done, and names what ${caller.accountName} may not see any more`,
    )
}

/** What the effect of a change depends on. A set from another view is that of one of its revisions, whatever follows there. */
function basisOf({ name, gates: { requires = [] } }: View): Basis {
  const required = Map.groupBy(requires, ({ as }) => as)
  const named = (as: Requirement['as']) => (required.get(as) ?? []).map(({ view }) => view)
  return { views: [name, ...named('current')], keeping: named('member') }
}

function expectChangeable(view: View, request: SeenRequest): void {
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
    throw new DepotError('refused', `${view.name} is a preview: it changes with its view and its plan`)
}

/** A view that only Habitat clients made is open to an origin once that origin has made it too. */
async function expectChannels(db: Db, view: View, { joining }: Wanted, audience: Audience): Promise<void> {
  if (view.maker !== 'client') return
  const origins = new Map<number, ViewRelease>(joining.map(({ release }) => [release.originId, release]))
  for (const [originId, release] of origins) {
    if (await channelExists(db, originId, view.id)) continue
    const theirs = joining
      .filter((other) => other.release.originId === originId)
      .map(({ release: { ident, target } }) => ({ ident: formatIdent(ident), target }))
    const isUnseen = (await listHidden(db, theirs, audience)).size === theirs.length
    throw new DepotError(
      'not_found',
      isUnseen
        ? `an origin has no channel ${view.name}`
        : `the origin ${release.ident.origin} has no channel ${view.name}`,
    )
  }
}
