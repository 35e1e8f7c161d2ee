import { createHash } from 'node:crypto'
import { lastsFrom } from '../clock.ts'
import type { PointerMove, Source } from '../ledger/entry.ts'
import type { ReleaseName } from '../package/ident.ts'
import type { SeenRequest } from '../views/change-request.ts'
import type { Evaluation, Missing } from './evaluate.ts'
import type { Refusal } from '../views/gates.ts'
import { describeMove, describeStep } from '../views/plan.ts'
import type { DescribedStep } from '../views/plan.ts'
import type { Resolved } from './resolve.ts'
import type { ViewRule } from '../views/rule.ts'
import type { Act, View } from '../views/view.ts'

/** What a change would do, in names: what people look at, and what two plans are compared by. */
export interface PlannedEffect {
  /** The revision of the view that the plan was made on. */
  readonly revision: number
  readonly act: Act
  readonly source?: Source
  readonly of?: number
  /** The rule that it would set. */
  readonly rule?: ViewRule
  readonly releases: readonly DescribedStep[]
  readonly pointers: readonly PointerMove[]
  readonly refusals: readonly Refusal[]
  readonly missing: readonly Missing[]
}

/** A change that was worked out and not made. */
export interface StoredPlan {
  readonly id: number
  /** What clients name it by; nobody guesses it. */
  readonly token: string
  /** A draft is applied by who has its token; a proposal is approved by a second person. */
  readonly kind: 'draft' | 'proposal'
  readonly view: string
  /** Whose it is; `undefined` for the operator's shell. */
  readonly account: string | undefined
  readonly request: SeenRequest & { readonly reason?: string }
  readonly effect: PlannedEffect
  readonly digest: string
  readonly createdAt: number
  readonly expiresAt: number
  /** As of {@link Clock}, when the plan was read. */
  readonly setBackAt: number | undefined
  readonly end: PlanEnd | undefined
}

export interface PlanEnd {
  readonly at: number
  readonly how: 'applied' | 'rejected' | 'stale'
  readonly by: string | undefined
  /** The revision that applying it made. */
  readonly revision: number | undefined
}

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
  }
}

/**
 * Equal for plans that do the same and are blocked by the same. What depends on who applies it does not count. A draft is bound to
 * the revision of its view; a proposal, which waits for days, only to what it does.
 */
export function digestOf(
  kind: StoredPlan['kind'],
  { revision, rule: nextRule, releases, pointers, refusals }: PlannedEffect,
): string {
  const lasting = refusals.filter(({ rule }) => rule !== 'rights' && rule !== 'approval')
  const bound = kind === 'draft' ? revision : null
  return createHash('sha256')
    .update(
      JSON.stringify([bound, releases, pointers, lasting, ...(nextRule === undefined ? [] : [nextRule])]),
    )
    .digest('hex')
}

/** When a plan expires, by a clock that may have been set back since it was made. */
export function expiryOf({ createdAt, expiresAt, setBackAt }: StoredPlan, now: number): number {
  return expiresAt - createdAt + lastsFrom(createdAt, { now, setBackAt })
}

export function changesAnything({ releases, rule }: PlannedEffect): boolean {
  return rule !== undefined || releases.some(({ change }) => change !== 'unchanged')
}

/** Every release that a plan names, also in what blocks it. */
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
