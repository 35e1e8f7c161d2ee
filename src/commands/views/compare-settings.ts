import { isDeepStrictEqual } from 'node:util'
import type { Db } from '../../database/database.ts'
import type { ErrorPart } from '../../errors.ts'
import { listCommonFreezes } from '../../revisions/freeze-store.ts'
import type { ViewPlan } from '../../revisions/state-plan.ts'
import { findView, listViews } from '../../revisions/view-store.ts'
import type { DesiredView } from '../../views/desired-state.ts'
import { DEFAULT_UNGOVERNED, PERMANENT_CHANNELS, UNSTABLE, parseViewName } from '../../views/view.ts'
import type { View } from '../../views/view.ts'
import { listGateFaults, openViews } from './gate-faults.ts'

/** A desired view beside the present one. */
export interface ComparedView {
  readonly desired: DesiredView
  /** The view with its desired gates and origins; an open view still has its present rule. */
  readonly view: View
  /** The change of the settings. `keep` means that they stay; the contents may still change. */
  readonly act: ViewPlan['act']
  readonly changed: Pick<ViewPlan, 'rule' | 'ungoverned' | 'gates'>
  /** Why no caller may give the view these settings. Pointers are relative to the desired view. */
  readonly faults: readonly ErrorPart[]
}

/** The fields of an open view on which the gates of other views depend. */
type OpenView = Pick<View, 'name' | 'gates'>

export interface ComparedSettings {
  readonly views: readonly ComparedView[]
  /** All views that will be open, with the gates that they will have. */
  readonly open: readonly OpenView[]
}

/** Compares the settings of views with the desired ones. Only reads. */
export async function compareSettings(db: Db, desired: readonly DesiredView[]): Promise<ComparedSettings> {
  const present = new Map((await listViews(db)).map((view) => [view.name as string, view]))
  const freezes = (await listCommonFreezes(db)).map((freeze) => ({ ...freeze, isOfAll: true }))
  const next = new Map<string, OpenView>(present)
  const compared: Omit<ComparedView, 'faults'>[] = []
  for (const one of desired) {
    const found = present.get(one.view) ?? (await findView(db, one.view))
    const view = found ?? { ...NEW_VIEW, name: parseViewName(one.view), freezes }
    const comparison = compareView(one, view)
    compared.push(comparison)
    if (comparison.act === 'close') next.delete(one.view)
    else if (one.isClosed !== true) next.set(one.view, comparison.view)
  }
  const open = openViews(next.values())
  const views: ComparedView[] = []
  for (const one of compared) {
    const gateFaults =
      one.changed.gates === undefined ? [] : await listGateFaults(db, one.view.name, one.view.gates, open)
    views.push({
      ...one,
      faults: [
        ...faultsOf(one),
        ...gateFaults.map((fault) => ({ ...fault, pointer: `/gates${fault.pointer ?? ''}` })),
      ],
    })
  }
  return { views, open: [...next.values()] }
}

/** A view before it is created. No row has this ID. */
const NEW_VIEW: Omit<View, 'name' | 'freezes'> = {
  id: 0,
  rule: 'promoted',
  pastRules: [],
  maker: 'operator',
  revision: 0,
  createdAt: 0,
  closedAt: 0,
  ungoverned: DEFAULT_UNGOVERNED,
  gates: {},
  hasPreviews: false,
  preview: undefined,
}

function compareView(desired: DesiredView, present: View): Omit<ComparedView, 'faults'> {
  const isOpen = present.closedAt === undefined
  if (desired.isClosed === true)
    return { desired, view: present, act: isOpen ? 'close' : 'keep', changed: {} }
  return isOpen ? compareOpenView(desired, present) : compareNewView(desired, present)
}

/** Compares a view that is absent or closed. A closed view loses its settings when it is created again. */
function compareNewView(desired: DesiredView, closed: View): Omit<ComparedView, 'faults'> {
  const { rule = NEW_VIEW.rule, ungoverned = DEFAULT_UNGOVERNED, gates = {} } = desired
  return {
    desired,
    view: {
      ...closed,
      rule,
      ungoverned,
      gates,
      maker: 'operator',
      freezes: closed.freezes.filter(({ isOfAll }) => isOfAll),
    },
    act: 'create',
    changed: {
      rule: { to: rule },
      ...(!isSameSet(ungoverned, DEFAULT_UNGOVERNED) && { ungoverned: { to: ungoverned } }),
      ...(Object.keys(gates).length > 0 && { gates: { to: gates } }),
    },
  }
}

function compareOpenView(desired: DesiredView, present: View): Omit<ComparedView, 'faults'> {
  const { rule = present.rule, ungoverned = present.ungoverned, gates = present.gates } = desired
  const changed = {
    ...(rule !== present.rule && { rule: { from: present.rule, to: rule } }),
    ...(!isSameSet(ungoverned, present.ungoverned) && {
      ungoverned: { from: present.ungoverned, to: ungoverned },
    }),
    ...(!isDeepStrictEqual(gates, present.gates) && { gates: { from: present.gates, to: gates } }),
  }
  return {
    desired,
    view: { ...present, ungoverned, gates },
    act: Object.keys(changed).length > 0 ? 'change' : 'keep',
    changed,
  }
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return isDeepStrictEqual(new Set(one), new Set(other))
}

function faultsOf({ desired, view, act, changed }: Omit<ComparedView, 'faults'>): ErrorPart[] {
  const { name } = view
  if (view.preview !== undefined)
    return [{ detail: `${name} is a preview: it follows its view and its plan`, pointer: '' }]
  if (act === 'close')
    return PERMANENT_CHANNELS.includes(name)
      ? [{ detail: `${name} is a channel of every origin, and cannot be closed`, pointer: '/closed' }]
      : []
  if (name !== UNSTABLE) return []
  return [
    ...(changed.rule ? [{ detail: `${name} keeps its rule: every upload joins it`, pointer: '/rule' }] : []),
    ...(changed.gates ? [{ detail: `${name} has no gates: every upload joins it`, pointer: '/gates' }] : []),
    ...(desired.contents ? [{ detail: `${name} always contains every release`, pointer: '/contents' }] : []),
  ]
}
