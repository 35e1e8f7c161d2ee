import type { z } from 'zod'
import type { PromotionOutcome } from '../../../commands/views/make-revision.ts'
import { formatPosition } from '../../../ledger/position.ts'
import { parseIdent } from '../../../package/ident.ts'
import { compareReleases } from '../../../package/version.ts'
import type { DescribedStep, DescribedUnsettled } from '../../../views/plan.ts'
import { wireTime } from '../conventions/wire.ts'
import { DOWNGRADE_NOTE } from './shapes.ts'
import type * as shapes from './shapes.ts'

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
    notes: notesOn(outcome),
  }
}

export function wireStep({ ident, target, change, from, isDependency }: DescribedStep) {
  return { ident, target, change, from: from ?? null, dependency: isDependency === true }
}

/**
 * Returns the notes on a change: one if `latest` of a package moves down, one for each earlier move that has
 * not settled, and one for each of its releases that is yanked or deprecated. Looks for moves down in the
 * pointers, because a rollback or a demotion moves `latest` to a release that was in the view already.
 */
export function notesOn({
  releases,
  pointers,
  unsettled = [],
}: Pick<PromotionOutcome, 'releases' | 'pointers' | 'unsettled'>): string[] {
  const goesDown = pointers.some(
    ({ from, to }) => from !== null && to !== null && compareReleases(parseIdent(to), parseIdent(from)) < 0,
  )
  return [
    ...(goesDown ? [DOWNGRADE_NOTE] : []),
    ...unsettled.map(unsettledNote),
    ...releases.flatMap(markNotes),
  ]
}

function markNotes({ ident, target, yanked, deprecated }: DescribedStep): string[] {
  return [
    ...(yanked === undefined ? [] : [`${ident} (${target}) is yanked: ${yanked}`]),
    ...(deprecated === undefined ? [] : [`${ident} (${target}) is deprecated: ${deprecated}`]),
  ]
}

function unsettledNote({ package: name, target, movedAt }: DescribedUnsettled): string {
  return `latest of ${name} for ${target} moved at ${wireTime(movedAt)}: Supervisors that still follow that move may restart more than one member of a group at a time`
}
