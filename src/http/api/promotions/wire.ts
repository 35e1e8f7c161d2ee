import type { z } from 'zod'
import type { PromotionOutcome } from '../../../commands/views/make-revision.ts'
import { formatPosition } from '../../../ledger/position.ts'
import type { DescribedStep } from '../../../views/plan.ts'
import type * as shapes from './shapes.ts'

/** A note for every downgrade (decision 0001). */
const DOWNGRADE =
  'latest moves down: current Supervisors follow that only with --update-condition track-channel, and those of 2016 never do'

export function wirePromotion(outcome: PromotionOutcome): z.infer<typeof shapes.PromotionAnswer> {
  return {
    view: outcome.view,
    revision: outcome.revision,
    revision_id:
      outcome.hash === undefined
        ? String(outcome.revision)
        : formatPosition(outcome.revision, { hash: outcome.hash }),
    changed: outcome.isChanged,
    rule: outcome.rule ?? null,
    releases: outcome.releases.map(wireStep),
    pointers: [...outcome.pointers],
    overridden: [...outcome.overridden],
    notes: notesOn(outcome.releases),
  }
}

export function wireStep({ ident, target, change, from, isDependency }: DescribedStep) {
  return { ident, target, change, from: from ?? null, dependency: isDependency === true }
}

export function notesOn(releases: readonly DescribedStep[]): string[] {
  return releases.some(({ change }) => change === 'downgraded') ? [DOWNGRADE] : []
}
