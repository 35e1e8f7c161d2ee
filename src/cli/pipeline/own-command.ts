import { EXIT } from '../exit-codes.ts'
import { commandOf } from './config.ts'
import { describeEnd } from './outcome.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { runCommand, shellWords } from './run-command.ts'

type OwnPhase = Parameters<typeof commandOf>[1]

/** Runs the project's own command for a phase. `view` is the environment, if the phase has one. */
export async function runOwnCommand(
  { io, out, project, signal, env }: PhaseContext,
  phase: OwnPhase,
  view?: string,
): Promise<Outcome> {
  const own = commandOf(project, phase)
  if (own === undefined) return { status: 'not_configured', message: 'no command is configured' }
  const { command, timeoutMs, views } = own
  if (view !== undefined && views?.includes(view) === false)
    return { status: 'skipped', message: `${phase} runs only in ${views.join(', ')}` }
  out.note(`$ ${command}`)
  const words = shellWords(command)
  const end = await runCommand(io, { words, folder: project.folder, env, signal, timeoutMs })
  const failure = describeEnd(end, JSON.stringify(command), project.folder)
  if (failure === undefined) return { status: 'passed', message: command }
  return { status: 'failed', message: failure, ...(end.how === 'timed out' && { exitCode: EXIT.timedOut }) }
}
