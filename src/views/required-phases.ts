import { describeRelease } from '../package/ident.ts'
import { namesOf } from './gate.ts'
import type { GateState, MissingPhase, Refusal } from './gate.ts'
import { joins } from './plan.ts'
import type { Effect } from './plan.ts'

// The phases of a requirement: tests that a pipeline reported for the change to which a release belongs.

const WORDS: Readonly<Record<MissingPhase['why'], string>> = {
  unreported: 'was not reported',
  'of other builds': 'was reported for other builds',
  running: 'is running',
  failed: 'failed',
  skipped: 'was skipped',
  not_configured: 'is not configured',
}

/**
 * Checks that each joining release belongs to a change whose phases passed for exactly this release. Only
 * promotions are checked, as with other requirements.
 */
export function checkPhases({ steps }: Effect, { view, act, standings }: GateState): Refusal[] {
  if (act !== 'promote') return []
  return (view.gates.requires ?? []).flatMap(({ view: other, phases = [] }, index) => {
    if (phases.length === 0) return []
    return steps.filter(joins).flatMap(({ release }): Refusal[] => {
      const standing = standings[index]?.get(release.releaseId)
      if (standing === 'passed') return []
      const name = describeRelease(release)
      const names = namesOf(release)
      if (standing === undefined) {
        const detail = `${name} belongs to no change, so ${phases.join(', ')} did not pass in ${other}`
        return [{ rule: 'requires', detail, names }]
      }
      const { project, change, missing, releases } = standing
      const detail = `${name} belongs to the change ${change} of ${project}, of which ${missing.map(describeMissing).join(', ')}`
      return [{ rule: 'requires', detail, names: [...names, ...releases] }]
    })
  })
}

function describeMissing({ phase, view, why }: MissingPhase): string {
  return `${phase}${view === undefined ? '' : ` in ${view}`} ${WORDS[why]}`
}
