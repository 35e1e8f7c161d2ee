import type { Change } from '../../client/operations.ts'
import { CHANGE_PHASES, VIEW_PHASES, isViewPhase } from './phase.ts'
import type { Phase } from './phase.ts'

type Report = Change['phases'][number]

/** A phase of a change. */
export interface Step {
  readonly phase: Phase
  /** The environment; `undefined` for phases that run once for the change. */
  readonly view: string | undefined
}

/** Returns all steps of a change through these environments, in the order in which they run. */
export function stepsThrough(views: readonly string[]): Step[] {
  return [
    ...CHANGE_PHASES.map((phase) => ({ phase, view: undefined })),
    ...views.flatMap((view) => VIEW_PHASES.map((phase) => ({ phase, view }))),
  ]
}

/** Returns the last report of a phase of a change. A change has only the last report of each phase. */
export function lastReport({ phases }: Change, phase: Phase, view: string | undefined): Report | undefined {
  return phases.find((report) => report.phase === phase && report.view === (view ?? null))
}

/**
 * Reports whether a report still counts. A report of publish or of a phase in an environment counts while it
 * is about every release of the change. A report about the sources always counts.
 */
export function isCurrent({ releases }: Change, report: Report): boolean {
  const isAboutSources = !isViewPhase(report.phase as Phase) && report.phase !== 'publish'
  return isAboutSources || report.covers === releases.length
}

/** Returns the last report of a phase if the phase has passed and the report still counts. */
export function passedReport(change: Change, phase: Phase, view: string | undefined): Report | undefined {
  const report = lastReport(change, phase, view)
  return report?.status === 'passed' && isCurrent(change, report) ? report : undefined
}

/**
 * Returns the first step without a report that counts, or whose phase failed or is running. Returns
 * `undefined` if there is none.
 */
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
