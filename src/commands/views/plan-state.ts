import { audienceOfChanges } from '../../access/access.ts'
import type { Session } from '../../access/access.ts'
import { expectAdministrator, expectTokenReachesView } from '../../access/rights.ts'
import type { Db } from '../../database/database.ts'
import { DepotError, refusalOf } from '../../errors.ts'
import type { ErrorPart } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { releaseKey, releaseName } from '../../package/ident.ts'
import { listHidden } from '../../revisions/dependency-store.ts'
import { changeToContents } from '../../revisions/desired-contents.ts'
import type { ContentsChange, ContentsFault } from '../../revisions/desired-contents.ts'
import { evaluate } from '../../revisions/evaluate.ts'
import { changeOfRule } from '../../revisions/resolve.ts'
import { statePlanOf } from '../../revisions/state-plan.ts'
import type { StatePlan, StateRefusal, ViewPlan } from '../../revisions/state-plan.ts'
import { listPreviews } from '../../revisions/view-store.ts'
import type { DesiredView } from '../../views/desired-state.ts'
import type { Refusal, UnsettledMove } from '../../views/gate.ts'
import { requesterOf, rightsRefusals } from '../../views/gates.ts'
import { changesView, describeMove, describeStep, describeUnsettled } from '../../views/plan.ts'
import type { Effect, Move, ViewDelta } from '../../views/plan.ts'
import { MAX_MOVED_RELEASES, expectMovable } from '../../views/view.ts'
import type { View, ViewRelease } from '../../views/view.ts'
import { findObstacle } from './close-view.ts'
import { compareSettings } from './compare-settings.ts'
import type { ComparedView } from './compare-settings.ts'
import { basisOf, expectChannels } from './promote.ts'

// What must change so that several views become as desired. Planning only reads, so that it can run outside
// the writer. Each view is judged by the gates that it will have, and after the changes of the views that it
// requires.

export type PlanningContext = Pick<CommandContext, 'read' | 'clock' | 'caller'> & { readonly db: Db }

export interface PlannedState {
  readonly plan: StatePlan
  /** One for each view of the plan, in its order. */
  readonly views: readonly PlannedView[]
}

export interface PlannedView {
  readonly desired: DesiredView
  /** The view with its desired gates and origins; an open view still has its present rule. */
  readonly view: View
  readonly plan: ViewPlan
  /** The change of the rule and the contents, which makes a revision. */
  readonly change: ChangeOfView | undefined
}

interface ChangeOfView {
  readonly act: 'promote' | 'set-rule'
  readonly effect: Effect
  readonly unsettled: readonly UnsettledMove[]
}

/**
 * Plans the changes that make views as desired; other views stay. What gates refuse is part of the plan.
 * Throws `invalid_request`, `not_found` and `too_large`, with every fault of the desired state as a part.
 */
export async function planState(
  context: PlanningContext,
  desired: readonly DesiredView[],
): Promise<PlannedState> {
  const { views: compared, open } = await compareSettings(context.db, desired)
  const faults: Fault[] = compared.flatMap(({ view, faults: own }) =>
    own.map((part) => ({ ...withPlace(view.name, part), code: 'invalid_request' })),
  )
  const effects = new Map<string, Effect>()
  const views: PlannedView[] = []
  for (const one of inOrderOfRequirements(compared)) {
    const { name } = one.view
    const { change, ...contents } = await planContents(context, one, effects)
    faults.push(...contents.faults.map(({ code, ...part }) => ({ ...withPlace(name, part), code })))
    if (change !== undefined) effects.set(name, change.effect)
    const settings = await judgeSettings(context, one, open)
    const refusals = [...settings, ...contents.refusals.filter((refusal) => !isIn(settings, refusal))]
    views.push(await describe(context, one, { change, refusals }))
  }
  const moved = [...effects.values()].flatMap(({ steps }) => steps).length
  if (moved > MAX_MOVED_RELEASES)
    faults.push({
      code: 'too_large',
      detail: `one state may move ${MAX_MOVED_RELEASES} releases, and this would move ${moved}: apply fewer views at once`,
      pointer: '/views',
    })
  if (faults.length > 0) throw errorOf(faults)
  return { plan: statePlanOf(views.map(({ plan }) => plan)), views }
}

type Fault = ErrorPart & Pick<ContentsFault, 'code'>

function withPlace<Part extends ErrorPart>(view: string, part: Part): Part & { pointer: string } {
  return { ...part, pointer: `/views/${view}${part.pointer ?? ''}` }
}

function errorOf(faults: readonly Fault[]): DepotError {
  const codes = new Set(faults.map(({ code }) => code))
  const [only = 'invalid_request'] = codes
  return refusalOf(codes.size === 1 ? only : 'invalid_request', faults)
}

function isIn(refusals: readonly Refusal[], { rule, detail }: Refusal): boolean {
  return refusals.some((one) => one.rule === rule && one.detail === detail)
}

/** Sorts views so that each comes after those that it requires. */
function inOrderOfRequirements(compared: readonly ComparedView[]): Iterable<ComparedView> {
  const byName = new Map(compared.map((one) => [one.view.name as string, one]))
  const begun = new Set<ComparedView>()
  const ordered: ComparedView[] = []
  const add = (one: ComparedView | undefined) => {
    if (one === undefined || begun.has(one)) return
    begun.add(one)
    for (const { view } of one.view.gates.requires ?? []) add(byName.get(view))
    ordered.push(one)
  }
  for (const one of compared) add(one)
  return ordered
}

/** Returns why the caller may not change the settings of a view or close it. */
async function judgeSettings(
  { db, caller, clock }: PlanningContext,
  { view, act }: ComparedView,
  others: readonly Pick<View, 'name' | 'gates'>[],
): Promise<PartRefusal[]> {
  if (act === 'keep') return []
  const refusals: PartRefusal[] = missingRights(caller, expectAdministrator)
  const obstacle = act === 'close' ? await findObstacle(db, view, { clock, others }) : undefined
  // Not even a freeze can be overridden here, because the entry of a closed view has no place for the reason.
  if (obstacle !== undefined) refusals.push({ rule: 'conflict', detail: obstacle.detail, pointer: '/closed' })
  return refusals
}

type PartRefusal = Refusal & { readonly pointer?: string }

/** Returns the error of a check of the caller's rights as a refusal. */
function missingRights(caller: PlanningContext['caller'], expect: (caller: Session) => void): Refusal[] {
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
 * Returns why the caller may not make a change of contents. It does not depend on releases that are hidden
 * from the caller, so other refusals, which may, are shown only to callers with these rights.
 */
function missingRightsTo(
  view: View,
  { joining, leaving }: ViewDelta,
  caller: PlanningContext['caller'],
): Refusal[] {
  const requester = requesterOf(caller)
  if (requester === undefined) return []
  const releases = [...joining.map(({ release }) => release), ...leaving]
  const origins = new Set(releases.map(({ ident }) => ident.origin))
  return [
    ...missingRights(caller, (session) => expectTokenReachesView(session, view.name)),
    ...rightsRefusals(view, origins, { requester, isApproval: false }).map(
      ({ origin: _origin, ...refusal }) => refusal,
    ),
  ]
}

interface PlannedContents {
  readonly change: ChangeOfView | undefined
  readonly refusals: readonly PartRefusal[]
  readonly faults: readonly ContentsFault[]
}

const NO_CHANGE: PlannedContents = { change: undefined, refusals: [], faults: [] }

/** Plans the change of a view's rule and contents, after the changes of other views. */
async function planContents(
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
      // A new rule moves releases that may be hidden, and needs an administrator in any case.
      const rights =
        contents === undefined
          ? missingRights(caller, expectAdministrator)
          : missingRightsTo(view, delta, caller)
      return {
        change: { act: kind, effect, unsettled },
        refusals: rights.length > 0 ? rights : refusals,
        faults: [],
      }
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

async function describe(
  context: PlanningContext,
  { desired, view, act, changed }: ComparedView,
  { change, refusals }: Pick<PlannedContents, 'change' | 'refusals'>,
): Promise<PlannedView> {
  const shown = change && (await describeVisible(context, view, change))
  const places = new Map((desired.contents ?? []).map((name, index) => [releaseKey(name), index]))
  const placeOf = ({ pointer, names = [] }: PartRefusal) => {
    const [index] = names.flatMap((name) => places.get(releaseKey(name)) ?? [])
    return pointer ?? (index === undefined ? '' : `/contents/${index}`)
  }
  return {
    desired,
    view,
    change,
    plan: {
      view: view.name,
      act: act === 'keep' && change !== undefined ? 'change' : act,
      revision: view.revision,
      ...changed,
      ...(shown ?? { releases: [], pointers: [] }),
      refusals: refusals.map((refusal): StateRefusal => {
        const { rule, detail, chain } = refusal
        return {
          ...withPlace(view.name, { detail, pointer: placeOf(refusal) }),
          rule,
          ...(chain && { chain }),
        }
      }),
    },
  }
}

/**
 * Describes a change as the caller sees it: like `latest`, which answers nothing where it would answer a
 * hidden release.
 */
async function describeVisible(
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
