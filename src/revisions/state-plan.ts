import { createHash } from 'node:crypto'
import type { PointerMove } from '../ledger/entry.ts'
import type { Refusal } from '../views/gate.ts'
import type { DescribedStep, DescribedUnsettled } from '../views/plan.ts'
import type { ViewRule } from '../views/rule.ts'
import type { Gates } from '../views/view.ts'

/** What several views would become, as JSON. */
export interface StatePlan {
  /** A digest of the changes and refusals, except refusals for lack of rights or of an approval. */
  readonly id: string
  /** In the order in which they are changed. */
  readonly views: readonly ViewPlan[]
}

/** What one view would become. */
export interface ViewPlan {
  readonly view: string
  readonly act: 'create' | 'change' | 'close' | 'keep'
  /** The revision before the change; 0 for a new view. */
  readonly revision: number
  readonly rule?: Replacement<ViewRule>
  readonly ungoverned?: Replacement<readonly string[]>
  readonly gates?: Replacement<Gates>
  /** Without releases that the caller may not see. */
  readonly releases: readonly DescribedStep[]
  readonly pointers: readonly PointerMove[]
  readonly unsettled?: readonly DescribedUnsettled[]
  readonly refusals: readonly StateRefusal[]
}

/** A setting that changes. `from` is absent for a new view. */
export interface Replacement<Value> {
  readonly from?: Value
  readonly to: Value
}

/** A refusal, with a JSON pointer into the desired state. */
export type StateRefusal = Pick<Refusal, 'rule' | 'detail' | 'chain'> & { readonly pointer: string }

/** Returns the plan of these views, with its id. */
export function statePlanOf(views: readonly ViewPlan[]): StatePlan {
  const comparable = views.map(({ refusals, unsettled: _unsettled, ...view }) => [
    view,
    refusals.filter(({ rule }) => rule !== 'rights' && rule !== 'approval'),
  ])
  return { id: createHash('sha256').update(JSON.stringify(comparable)).digest('hex').slice(0, 32), views }
}
