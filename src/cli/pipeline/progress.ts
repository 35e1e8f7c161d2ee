import type { Change } from '../../client/operations.ts'
import { CHANGE_PHASES, VIEW_PHASES, isViewPhase } from './phase.ts'
import type { Phase } from './phase.ts'

type Report = Change['phases'][number]

/** A phase of a change, in the order in which they run. */
export interface Step {
  readonly phase: Phase
  readonly view: string | undefined
}

/** All steps of a change through these environments. */
export function stepsThrough(views: readonly string[]): Step[] {
  return [
    ...CHANGE_PHASES.map((phase) => ({ phase, view: undefined })),
    ...views.flatMap((view) => VIEW_PHASES.map((phase) => ({ phase, view }))),
  ]
}

/** The last report of a phase of a change. */
export function lastReport({ phases }: Change, phase: Phase, view: string | undefined): Report | undefined {
  return phases.find((report) => report.phase === phase && report.view === (view ?? null))
}

/**
 * Whether a report still says something: phases of environments and publish must be about every release of
 * the change, those that check the sources need not.
 */
export function isCurrent({ releases }: Change, report: Report): boolean {
  const isAboutSources = !isViewPhase(report.phase as Phase) && report.phase !== 'publish'
  return isAboutSources || report.covers === releases.length
}

/** The report that a phase has passed, for all releases that the change has now. */
export function passedReport(change: Change, phase: Phase, view: string | undefined): Report | undefined {
  const report = lastReport(change, phase, view)
  return report?.status === 'passed' && isCurrent(change, report) ? report : undefined
}

/** The first step that has neither passed nor ended without work, or `undefined` if there is none. */
export function nextStep(change: Change, views: readonly string[]): Step | undefined {
  return stepsThrough(views).find(({ phase, view }) => {
    const report = lastReport(change, phase, view)
    return (
      report === undefined ||
      !isCurrent(change, report) ||
      report.status === 'running' ||
      report.status === 'failed'
    )
  })
}
