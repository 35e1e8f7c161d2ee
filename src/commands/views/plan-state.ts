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
import { changesView, describeMove, describeStep, describeUnsettled } from '../../views/plan.ts'
import type { Effect } from '../../views/plan.ts'
import { MAX_MOVED_RELEASES, expectMovable } from '../../views/view.ts'
import type { View } from '../../views/view.ts'
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
    own.map((part) => ({ ...at(view.name, part), code: 'invalid_request' })),
  )
  const effects = new Map<string, Effect>()
  const views: PlannedView[] = []
  for (const one of inOrderOfRequirements(compared)) {
    const { name } = one.view
    const { change, ...contents } = await planContents(context, one, effects)
    faults.push(...contents.faults.map(({ code, ...part }) => ({ ...at(name, part), code })))
    if (change !== undefined) effects.set(name, change.effect)
    const refusals = [...(await judgeSettings(context, one, open)), ...contents.refusals]
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

function at<Part extends ErrorPart>(view: string, part: Part): Part & { pointer: string } {
  return { ...part, pointer: `/views/${view}${part.pointer ?? ''}` }
}

function errorOf(faults: readonly Fault[]): DepotError {
  const codes = new Set(faults.map(({ code }) => code))
  const [only = 'invalid_request'] = codes
  return refusalOf(codes.size === 1 ? only : 'invalid_request', faults)
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
  { view, act, changed }: ComparedView,
  others: readonly Pick<View, 'name' | 'gates'>[],
): Promise<PartRefusal[]> {
  const refusals: PartRefusal[] = []
  if (act !== 'keep' || Object.keys(changed).length > 0)
    refusals.push(...missingRights(caller, expectAdministrator))
  const obstacle = act === 'close' ? await findObstacle(db, view, { clock, others }) : undefined
  if (obstacle !== undefined) refusals.push({ ...obstacle, pointer: '/closed' })
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
      const unreached = missingRights(caller, (session) => expectTokenReachesView(session, view.name))
      return { change: { act: kind, effect, unsettled }, refusals: [...unreached, ...refusals], faults: [] }
    } catch (error) {
      if (!(error instanceof DepotError) || (error.code !== 'not_found' && error.code !== 'too_large'))
        throw error
      const { code, message } = error
      return { ...NO_CHANGE, faults: [{ code, detail: message, pointer: '/contents' }] }
    }
  })
}

async function describe(
  context: PlanningContext,
  { desired, view, act, changed }: ComparedView,
  { change, refusals }: Pick<PlannedContents, 'change' | 'refusals'>,
): Promise<PlannedView> {
  const effect = change?.effect
  const shown = effect !== undefined && (await isVisible(context, view, effect)) ? effect : undefined
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
      act: act === 'keep' && effect !== undefined ? 'change' : act,
      revision: view.revision,
      ...changed,
      releases: shown?.steps.map(describeStep) ?? [],
      pointers: shown?.moves.map(describeMove) ?? [],
      ...(shown && describeUnsettled(change?.unsettled ?? [])),
      refusals: refusals.map((refusal): StateRefusal => {
        const { rule, detail, chain } = refusal
        return { ...at(view.name, { detail, pointer: placeOf(refusal) }), rule, ...(chain && { chain }) }
      }),
    },
  }
}

/** Reports whether the caller may see all releases that an effect names. */
async function isVisible(
  { caller, read }: PlanningContext,
  view: View,
  { steps, moves }: Effect,
): Promise<boolean> {
  const audience = audienceOfChanges(caller)
  if (audience.seesAll) return true
  const named = [
    ...steps.map(({ release }) => release),
    ...moves.flatMap(({ from, to }) => [from, to].filter((end) => end !== undefined)),
  ].map(releaseName)
  const hidden = await read(`hidden releases of ${view.name}`, { views: [] }, (db) =>
    listHidden(db, named, audience),
  )
  return hidden.size === 0
}
