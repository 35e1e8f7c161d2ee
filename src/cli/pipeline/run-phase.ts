import { didYouMean } from '../../text/nearest.ts'
import { EXIT, Exit, UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import { Output } from '../output.ts'
import { connectToChange } from '../remote/connect.ts'
import type { Connected } from '../remote/connect.ts'
import { hasTarget } from '../remote/accounts/profiles.ts'
import { readProject } from './config.ts'
import type { Project } from './config.ts'
import { runInChange, runLocally } from './run-in-change.ts'
import type { LocalPhase, PhaseOptions, PhaseResult, PhaseToRun } from './run-in-change.ts'
import { isViewPhase } from './phase.ts'
import type { Phase } from './phase.ts'
import { convergenceOf } from './converge.ts'
import { chooseSource } from './publish.ts'

/**
 * Runs a phase of the project in this folder, and reports to its change. Throws an error if the phase cannot
 * run.
 */
export async function runPhase(io: Io, phase: Phase, options: PhaseOptions): Promise<PhaseResult> {
  const project = await readProject(io, options.config)
  const view = viewOf(project, phase, options)
  if (phase === 'provision') await convergenceOf(io, project, options) // refuses wrong options before anything is done
  const source = phase === 'publish' ? await chooseSource(io, project, options) : undefined
  const given = { io, phase, view, project, source, options }
  const connected = connectionOf(io, phase, options)
  return connected === undefined ? runAlone(given) : runInChange(given, connected)
}

/** Writes the result of a phase. Throws {@link Exit} if it has failed. */
export function showResult(out: Output, result: PhaseResult): void {
  out.show(documentOf(result), {
    whole: () => sentenceOf(result),
    brief: () => [...(result.outcome.brief ?? [])],
  })
  throwIfFailed(result)
}

/** Returns the document of a phase for `--json`. */
export function documentOf({ phase, view, change, outcome }: PhaseResult): Record<string, unknown> {
  const { status, message, more } = outcome
  return { phase, view, change: change?.change ?? null, id: change?.id ?? null, status, message, ...more }
}

/** Returns how a phase ended as a sentence, or '' if it failed, because {@link throwIfFailed} says that. */
export function sentenceOf({ phase, view, outcome: { status, message } }: PhaseResult): string {
  return status === 'failed' ? '' : `${nameOf(phase, view)}: ${status.replace('_', ' ')}: ${message}.`
}

export function throwIfFailed({ phase, view, outcome }: PhaseResult): void {
  const { status, message, exitCode = EXIT.failed } = outcome
  if (status === 'failed') throw new Exit(exitCode, `${nameOf(phase, view)} failed: ${message}`)
}

function nameOf(phase: Phase, view: string | null): string {
  return view === null ? phase : `${phase} in ${view}`
}

function viewOf({ config }: Project, phase: Phase, { view, env }: PhaseOptions): string | undefined {
  if (!isViewPhase(phase)) return undefined
  const given = view ?? env
  if (given === undefined)
    throw new UsageError(
      `${phase} runs once for each environment: name it with --view, for example --view ${config.views[0]}`,
    )
  if (view !== undefined && env !== undefined && view !== env)
    throw new UsageError('--env is another name for --view: give only one of them')
  if (!config.views.includes(given))
    throw new UsageError(
      `${given} is no environment of this project: they are ${config.views.join(', ')}${didYouMean(given, config.views)}`,
    )
  return given
}

/**
 * Connects to the depot to report to. Returns `undefined` for a phase that needs none and runs without one.
 */
function connectionOf(io: Io, phase: Phase, options: PhaseOptions): Connected | undefined {
  const needsDepot = phase === 'publish' || phase === 'provision'
  if (options.report === false) {
    if (needsDepot) throw new UsageError(`${phase} changes the depot, so --no-report cannot be given`)
    return undefined
  }
  if (needsDepot || isViewPhase(phase) || hasTarget(io, options)) return connectToChange(io, options)
  new Output(io, options).note('Nothing is reported, because no depot is named.')
  return undefined
}

async function runAlone({ io, phase, view, project, options }: PhaseToRun): Promise<PhaseResult> {
  const env = { HART_DEPOT_PHASE: phase, ...(view !== undefined && { HART_DEPOT_VIEW: view }) }
  const context = { io, out: new Output(io, options), project, signal: io.signal, env }
  const outcome = await runLocally(context, phase as LocalPhase, view)
  io.signal.throwIfAborted()
  return { phase, view: view ?? null, change: null, outcome }
}
