import { audienceOfChanges } from '../../access/access.ts'
import type { Session } from '../../access/access.ts'
import { expectAdministrator, expectTokenReachesView } from '../../access/rights.ts'
import type { Db } from '../../database/database.ts'
import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { releaseKey, releaseName } from '../../package/ident.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import { changeToContents } from '../../revisions/desired-contents.ts'
import type { ContentsChange, ContentsFault } from '../../revisions/desired-contents.ts'
import { evaluate } from '../../revisions/evaluate.ts'
import { changeOfRule } from '../../revisions/resolve.ts'
import type { ViewPlan } from '../../revisions/state-plan.ts'
import { listPreviews } from '../../revisions/view-store.ts'
import type { Refusal, UnsettledMove } from '../../views/gate.ts'
import { requesterOf, rightsRefusals } from '../../views/gates.ts'
import { changesView, describeMove, describeStep, describeUnsettled } from '../../views/plan.ts'
import type { Effect, Move, ViewDelta } from '../../views/plan.ts'
import { expectMovable } from '../../views/view.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import type { ComparedView } from './compare-settings.ts'
import { basisOf, expectChannels } from './promote.ts'

// Plans the change of the rule and the contents of one view. plan-state.ts joins the plans of several views.

/** What planning needs. Planning writes nothing, so it can run outside the writer. */
export type PlanningContext = Pick<CommandContext, 'read' | 'clock' | 'caller'> & { readonly db: Db }

/** The change of a view's rule and contents, which makes a revision. */
export interface ChangeOfView {
  readonly act: 'promote' | 'set-rule'
  readonly effect: Effect
  readonly unsettled: readonly UnsettledMove[]
}

/** A refusal, with a pointer relative to the desired view. */
export type PartRefusal = Refusal & { readonly pointer?: string }

export interface PlannedContents {
  readonly change: ChangeOfView | undefined
  readonly refusals: readonly PartRefusal[]
  readonly faults: readonly ContentsFault[]
}

const NO_CHANGE: PlannedContents = { change: undefined, refusals: [], faults: [] }

/**
 * Plans the change of a view's rule and contents. `madeTogether` has the effects of the changes that are made
 * before this change, by the names of their views.
 */
export async function planContents(
  context: PlanningContext,
  { desired, view, act, changed, faults }: ComparedView,
  madeTogether: ReadonlyMap<string, Effect>,
): Promise<PlannedContents> {
  const { clock, caller } = context
  const audience = audienceOfChanges(caller)
  const { contents } = desired
  const rule = act === 'create' ? view.rule : (changed.rule?.to ?? view.rule)
  if (faults.length > 0 || desired.isClosed === true || (contents === undefined && rule === view.rule))
    return NO_CHANGE
  return context.read(`change of ${view.name}`, basisOf(view), async (db) => {
    try {
      const found: ContentsChange =
        contents === undefined
          ? { delta: await changeOfRule(db, view, rule), faults: [] }
          : await changeToContents(db, view, { contents, rule }, audience)
      if (found.faults.length > 0) return { ...NO_CHANGE, faults: found.faults }
      const { delta } = found
      await expectChannels(db, view, delta, audience)
      const previews = view.hasPreviews ? (await listPreviews(db, { baseId: view.id })).length : 0
      expectMovable(view, delta.joining.length + delta.leaving.length, { previews })
      const kind = contents === undefined ? 'set-rule' : 'promote'
      const { effect, refusals, unsettled } = await evaluate(db, view, delta, {
        act: kind,
        clock,
        caller,
        audience,
        madeTogether,
        findsUnsettled: true,
      })
      if (!changesView(effect)) return NO_CHANGE
      const change = { act: kind, effect, unsettled } as const
      const rights = missingRightsTo(view, delta, { act: kind, caller })
      return { change, refusals: rights ?? refusals, faults: [] }
    } catch (error) {
      if (!(error instanceof DepotError) || (error.code !== 'not_found' && error.code !== 'too_large'))
        throw error
      const { code, message } = error
      return {
        ...NO_CHANGE,
        faults: [{ code, detail: message, pointer: contents === undefined ? '/rule' : '/contents' }],
      }
    }
  })
}

/**
 * Returns the refusals to show to a caller who lacks the rights for a change, or `undefined` if the caller
 * has them. Unlike the refusals of gates, these refusals never depend on releases that are hidden from the
 * caller.
 */
function missingRightsTo(
  view: View,
  { joining, leaving }: ViewDelta,
  { act, caller }: { act: ChangeOfView['act']; caller: PlanningContext['caller'] },
): Refusal[] | undefined {
  const requester = requesterOf(caller)
  if (requester === undefined) return undefined
  // judgeSettings in plan-state.ts returns this refusal already.
  if (act === 'set-rule') return missingRights(caller, expectAdministrator).length > 0 ? [] : undefined
  const releases = [...joining.map(({ release }) => release), ...leaving]
  const origins = new Set(releases.map(({ ident }) => ident.origin))
  const refusals = [
    ...missingRights(caller, (session) => expectTokenReachesView(session, view.name)),
    ...rightsRefusals(view, origins, { requester, isApproval: false }).map(
      ({ origin: _origin, ...refusal }) => refusal,
    ),
  ]
  return refusals.length > 0 ? refusals : undefined
}

/** Returns the error of a check of the caller's rights as a refusal. */
export function missingRights(
  caller: PlanningContext['caller'],
  expect: (caller: Session) => void,
): Refusal[] {
  if (caller === 'operator') return []
  try {
    expect(caller)
    return []
  } catch (error) {
    if (!(error instanceof DepotError)) throw error
    return [{ rule: 'rights', detail: error.message }]
  }
}

/**
 * Describes the part of a change that the caller may see. A hidden release is described like an absent one,
 * as `latest` does.
 */
export async function describeVisible(
  { caller, read }: PlanningContext,
  view: View,
  { effect: { steps, moves }, unsettled }: ChangeOfView,
): Promise<Pick<ViewPlan, 'releases' | 'pointers' | 'unsettled'>> {
  const audience = audienceOfChanges(caller)
  const named = [
    ...steps.map(({ release }) => release),
    ...moves.flatMap(({ from, to }) => [from, to].filter((end) => end !== undefined)),
  ].map(releaseName)
  const hidden = audience.seesAll
    ? new Set()
    : await read(`hidden releases of ${view.name}`, { views: [] }, (db) => listHidden(db, named, audience))
  const seen = (release: ViewRelease | undefined) =>
    release === undefined || hidden.has(releaseKey(release)) ? undefined : release
  const visibleMoves = moves
    .map(({ from, to }): Move => ({ from: seen(from), to: seen(to) }))
    .filter(({ from, to }) => from !== undefined || to !== undefined)
  return {
    releases: steps
      .filter(({ release }) => seen(release) !== undefined)
      .map((step) =>
        describeStep(seen(step.from) === step.from ? step : { ...step, change: 'added', from: undefined }),
      ),
    pointers: visibleMoves.map(describeMove),
    ...describeUnsettled(unsettled.filter(({ move: { from, to } }) => seen(from ?? to) === (from ?? to))),
  }
}
