import { createHash } from 'node:crypto'
import { durationStart } from '../clock.ts'
import type { PointerMove, Source } from '../ledger/entry.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { RequestWithAudience } from '../views/change-request.ts'
import type { Evaluation, Missing } from './evaluate.ts'
import type { Refusal } from '../views/gate.ts'
import { describeMove, describeStep, describeUnsettled } from '../views/plan.ts'
import type { DescribedStep, DescribedUnsettled } from '../views/plan.ts'
import type { Resolved } from './resolve.ts'
import type { ViewRule } from '../views/rule.ts'
import type { RequestedAct, View } from '../views/view.ts'

/** The effect of a planned change as JSON. {@link digestOf} compares plans by it. */
export interface PlannedEffect {
  /** The revision of the view that the plan was made on. */
  readonly revision: number
  readonly act: RequestedAct
  readonly source?: Source
  /** The revision that a rollback restores or a revert undoes. */
  readonly of?: number
  /** The new rule, if it would change. */
  readonly rule?: ViewRule
  readonly releases: readonly DescribedStep[]
  readonly pointers: readonly PointerMove[]
  readonly refusals: readonly Refusal[]
  readonly missing: readonly Missing[]
  /** Moves soon after the previous move on their line. Absent if there are none. */
  readonly unsettled?: readonly DescribedUnsettled[]
}

/** A stored plan. */
export interface StoredPlan {
  readonly id: number
  /** The plan's name for clients. It cannot be guessed. */
  readonly token: string
  /** Any caller who knows the token can apply a draft. A second person must approve a proposal. */
  readonly kind: 'draft' | 'proposal'
  readonly view: string
  readonly viewId: number
  /** The plan's author; `undefined` for the operator's shell. */
  readonly account: string | undefined
  readonly request: RequestWithAudience & { readonly reason?: string }
  readonly effect: PlannedEffect
  readonly digest: string
  readonly createdAt: number
  readonly expiresAt: number
  /** See {@link Clock}. The value when the plan was read. */
  readonly setBackAt: number | undefined
  readonly end: PlanEnd | undefined
}

/** How a plan ended. */
export interface PlanEnd {
  readonly at: number
  readonly how: 'applied' | 'rejected' | 'stale'
  /** The account that ended the plan; `undefined` for the operator's shell. */
  readonly by: string | undefined
  /** The revision that the plan made. */
  readonly revision: number | undefined
}

/** Returns the effect of a resolved and evaluated request in the form in which plans are stored. */
export function effectOf(
  view: View,
  { resolved, evaluation }: { resolved: Resolved; evaluation: Evaluation },
): PlannedEffect {
  const { source, of, pinned } = resolved
  return {
    revision: view.revision,
    act: pinned.act,
    ...(source !== undefined && { source }),
    ...(of !== undefined && { of }),
    ...(evaluation.effect.rule !== undefined && { rule: evaluation.effect.rule }),
    releases: evaluation.effect.steps.map(describeStep),
    pointers: evaluation.effect.moves.map(describeMove),
    refusals: evaluation.refusals,
    missing: evaluation.missing,
    ...describeUnsettled(evaluation.unsettled),
  }
}

/**
 * Returns a digest that is equal for plans with the same effect and the same refusals. Refusals that depend
 * on the caller do not count. The revision of the view counts for drafts only, because a proposal may wait
 * for days.
 */
export function digestOf(
  kind: StoredPlan['kind'],
  { revision, rule: nextRule, releases, pointers, refusals }: PlannedEffect,
): string {
  const comparable = refusals.filter(({ rule }) => rule !== 'rights' && rule !== 'approval')
  const boundRevision = kind === 'draft' ? revision : null
  return createHash('sha256')
    .update(
      JSON.stringify([
        boundRevision,
        releases,
        pointers,
        comparable,
        ...(nextRule === undefined ? [] : [nextRule]),
      ]),
    )
    .digest('hex')
}

/**
 * Returns when a plan expires. If it was made while the clock ran ahead, its life counts from the time when
 * the clock was set back.
 */
export function expiryOf({ createdAt, expiresAt, setBackAt }: StoredPlan, now: number): number {
  return expiresAt - createdAt + durationStart(createdAt, { now, setBackAt })
}

export function changesAnything({ releases, rule }: PlannedEffect): boolean {
  return rule !== undefined || releases.some(({ change }) => change !== 'unchanged')
}

/** Returns all releases that a plan names, including those in refusals. */
export function releasesIn({ releases, pointers, refusals }: PlannedEffect): ReleaseName[] {
  const ends = pointers.flatMap(({ from, to, target }) =>
    [from, to].filter((ident) => ident !== null).map((ident) => ({ ident, target })),
  )
  return [
    ...releases.map(({ ident, target }) => ({ ident, target })),
    ...ends,
    ...refusals.flatMap(({ names = [] }) => names),
  ]
}
