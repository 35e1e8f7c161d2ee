import { describeRelease } from '../package/ident.ts'
import { namesOf } from './gate.ts'
import type { GateState, Refusal } from './gate.ts'
import type { Effect, Step } from './plan.ts'
import type { ViewRule } from './rule.ts'

// The gate `yanked`: no change makes a yanked release the answer of `latest`.

/**
 * Refuses to promote yanked releases. Nobody can override this refusal: a maintainer of the origin must
 * unyank the releases. Also refuses other changes by which `latest` would move to a yanked release, for
 * example a rollback. These refusals can be overridden, because the change restores what ran before.
 */
export function checkYanks({ steps, moves }: Effect, { act, view }: GateState): Refusal[] {
  if (act === 'promote') {
    const promoted = steps.filter((step) => step.release.yanked !== undefined && isPromoted(step, view.rule))
    if (promoted.length > 0)
      return promoted.map(({ release }) => ({
        rule: 'yanked',
        detail: `${describeRelease(release)} is yanked: ${release.yanked}`,
        names: namesOf(release),
        isFinal: true,
      }))
  }
  return moves.flatMap(({ to }) => {
    if (to?.yanked === undefined) return []
    return [
      {
        rule: 'yanked' as const,
        detail: `latest would become ${describeRelease(to)}, which is yanked: ${to.yanked}`,
        names: namesOf(to),
      },
    ]
  })
}

/**
 * Reports whether a step promotes its release. A member that joins again without becoming the answer is not
 * promoted. An unchanged member counts as promoted under `highest`, so that the caller gets a refusal instead
 * of a promotion without an effect.
 */
function isPromoted({ change, wasMember }: Step, rule: ViewRule): boolean {
  if (change === 'removed') return false
  if (change === 'unchanged') return rule === 'highest'
  return change !== 'joined' || !wasMember
}
