import { expectAdministrator } from '../../access/rights.ts'
import { refusalOf } from '../../errors.ts'
import type { DepotError, ErrorPart } from '../../errors.ts'
import { releaseKey } from '../../package/ident.ts'
import type { ContentsFault } from '../../revisions/desired-contents.ts'
import { statePlanOf } from '../../revisions/state-plan.ts'
import type { StatePlan, StateRefusal, ViewPlan } from '../../revisions/state-plan.ts'
import type { DesiredView } from '../../views/desired-state.ts'
import type { Effect } from '../../views/plan.ts'
import { MAX_MOVED_RELEASES } from '../../views/view.ts'
import type { View } from '../../views/view.ts'
import { findObstacle } from './close-view.ts'
import { compareSettings } from './compare-settings.ts'
import type { ComparedView } from './compare-settings.ts'
import { describeVisible, missingRights, planContents } from './plan-contents.ts'
import type { ChangeOfView, PartRefusal, PlannedContents, PlanningContext } from './plan-contents.ts'

// Plans the changes that make several views as desired. Planning only reads, so that it can run outside the
// writer. Each view is judged by the gates that it will have, and after the changes of the views that it
// requires.

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

/**
 * Plans the changes that make views as desired; other views stay. The plan lists the refusals of gates.
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

function withPlace<Part extends ErrorPart>(view: string, part: Part): Part & { pointer: string } {
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

/** Returns the reasons why the caller may not change the settings of a view or close it. */
async function judgeSettings(
  { db, caller, clock }: PlanningContext,
  { view, act }: ComparedView,
  others: readonly Pick<View, 'name' | 'gates'>[],
): Promise<PartRefusal[]> {
  if (act === 'keep') return []
  const refusals: PartRefusal[] = missingRights(caller, expectAdministrator)
  const obstacle = act === 'close' ? await findObstacle(db, view, { clock, others }) : undefined
  // Not even a freeze can be overridden here, because the ledger entry of a closed view has no field for the
  // reason.
  if (obstacle !== undefined) refusals.push({ rule: 'conflict', detail: obstacle.detail, pointer: '/closed' })
  return refusals
}

async function describe(
  context: PlanningContext,
  { desired, view, act, changed }: ComparedView,
  { change, refusals }: Pick<PlannedContents, 'change' | 'refusals'>,
): Promise<PlannedView> {
  const shown = change && (await describeVisible(context, view, change))
  const indexes = new Map((desired.contents ?? []).map((name, index) => [releaseKey(name), index]))
  const pointerOf = ({ pointer, names = [] }: PartRefusal) => {
    const [index] = names.flatMap((name) => indexes.get(releaseKey(name)) ?? [])
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
          ...withPlace(view.name, { detail, pointer: pointerOf(refusal) }),
          rule,
          ...(chain && { chain }),
        }
      }),
    },
  }
}
