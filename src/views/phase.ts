import { DepotError, quote } from '../errors.ts'

// The phases of a pipeline.

/** How a phase stands. `not_configured`: the project has no such phase. */
export const PHASE_STATUSES = ['running', 'passed', 'failed', 'skipped', 'not_configured'] as const
export type PhaseStatus = (typeof PHASE_STATUSES)[number]

/**
 * How all phases of a change stand together: `failed` if any phase failed, else `running` if one runs, else
 * `passed` if one passed, else `recorded`.
 */
export const CHANGE_STATES = ['recorded', 'running', 'failed', 'passed'] as const
export type ChangeState = (typeof CHANGE_STATES)[number]

/** Sums up the statuses of the phases of a change. */
export function stateOf(statuses: readonly PhaseStatus[]): ChangeState {
  return (['failed', 'running', 'passed'] as const).find((status) => statuses.includes(status)) ?? 'recorded'
}

/** The phases that run once for each change, as the build cookbook of Habitat had them. */
export const CHANGE_PHASES: readonly string[] = ['lint', 'syntax', 'unit', 'security', 'quality', 'publish']
/** The phases that run in each environment, so reports of them name a view. */
export const VIEW_PHASES: readonly string[] = ['provision', 'deploy', 'smoke', 'functional']

const PHASE = /^[a-z][a-z0-9_-]{0,62}$/

/** Parses the name of a phase: one of the ten, or one of the site's own. Throws `invalid_request`. */
export function parsePhase(text: string): string {
  if (PHASE.test(text)) return text
  throw new DepotError(
    'invalid_request',
    `${quote(text)} is not a phase: use ${[...CHANGE_PHASES, ...VIEW_PHASES].join(', ')}, or a name of your own with at most 63 lower-case letters, digits, - and _ that starts with a letter`,
  )
}

/**
 * Throws `invalid_request` if a phase of an environment names no view, or a phase of the whole change names
 * one.
 */
export function expectViewFits(phase: string, view: string | undefined): void {
  const fault =
    view === undefined && VIEW_PHASES.includes(phase)
      ? `${phase} runs in each environment: name the view`
      : view !== undefined && CHANGE_PHASES.includes(phase)
        ? `${phase} runs once for each change: name no view`
        : undefined
  if (fault !== undefined)
    throw new DepotError('invalid_request', fault, { parts: [{ detail: fault, pointer: '/view' }] })
}

/** Formats a phase for messages: `smoke in acceptance`, or `unit`. */
export function describePhase({ phase, view }: { phase: string; view?: string | undefined }): string {
  return view === undefined ? phase : `${phase} in ${view}`
}
