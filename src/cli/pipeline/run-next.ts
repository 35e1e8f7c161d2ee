import { UsageError } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import { connectToChange } from '../remote/connect.ts'
import { readProject } from './config.ts'
import { recordChange } from './run-in-change.ts'
import type { PhaseOptions, PhaseResult } from './run-in-change.ts'
import { PHASES } from './phase.ts'
import { nextStep, stepsThrough } from './progress.ts'
import type { Step } from './progress.ts'
import { documentOf, runPhase, sentenceOf, throwIfFailed } from './run-phase.ts'

export interface RunOptions extends PhaseOptions {
  /** A phase or an environment. */
  readonly until?: string | undefined
}

/**
 * Runs the first phase of a change that has not passed, and with `until` those after it, until one fails.
 * Throws {@link Exit} if one fails.
 */
export async function runNext(io: Io, options: RunOptions): Promise<void> {
  const project = await readProject(io, options.config)
  const { views } = project.config
  const last = options.until === undefined ? undefined : lastStep(options.until, views)
  if (options.report === false)
    throw new UsageError('run reads from the depot what comes next, so --no-report cannot be given')
  const connected = connectToChange(io, options)
  const { depot, out } = connected
  const id = await recordChange({ io, project, source: undefined, options }, connected)
  const results: PhaseResult[] = []
  for (;;) {
    const change = await depot.getChange({ id })
    const step = nextStep(change, views)
    if (step === undefined || (last !== undefined && isAfter(step, last, views))) break
    const result = await runPhase(io, step.phase, { ...options, view: step.view })
    results.push(result)
    const sentence = sentenceOf(result)
    if (sentence !== '') out.print(sentence)
    if (last === undefined || result.outcome.status === 'failed') break
  }
  out.show(
    { phases: results.map(documentOf) },
    {
      whole: () => (results.length === 0 ? 'Nothing is left to run.' : ''),
      brief: () => results.flatMap(({ outcome }) => outcome.brief ?? []),
    },
  )
  for (const result of results) throwIfFailed(result)
}

/**
 * Returns the step that `--until` names. An environment stands for its last step. A phase that runs in each
 * environment stands for the step in the first one. Throws a UsageError for other names.
 */
function lastStep(until: string, views: readonly string[]): Step {
  const step = stepsThrough(views).findLast(({ phase, view }) =>
    views.includes(until) ? view === until : phase === until && (view === undefined || view === views[0]),
  )
  if (step !== undefined) return step
  throw new UsageError(
    `--until is a phase (${PHASES.join(', ')}) or an environment (${views.join(', ')}), not ${until}`,
  )
}

function isAfter(step: Step, last: Step, views: readonly string[]): boolean {
  const place = ({ phase, view }: Step) =>
    stepsThrough(views).findIndex((each) => each.phase === phase && each.view === view)
  return place(step) > place(last)
}
