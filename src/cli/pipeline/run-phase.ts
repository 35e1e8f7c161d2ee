import { EXIT, Exit } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import { Output } from '../output.ts'
import type { OutputOptions } from '../output.ts'
import type { Project } from './config.ts'
import { readProject } from './config.ts'
import { lint } from './lint.ts'
import type { Outcome, PhaseContext } from './outcome.ts'
import { runOwnCommand } from './own-command.ts'
import type { ChangePhase } from './phase.ts'
import { syntax } from './syntax.ts'

type CheckPhase = Exclude<ChangePhase, 'publish'>

export interface PhaseOptions extends OutputOptions {
  readonly config?: string | undefined
}

/**
 * Runs a phase that needs only the project's files, and shows how it ended. Throws {@link Exit} if it failed.
 */
export async function runCheck(io: Io, phase: CheckPhase, options: PhaseOptions): Promise<void> {
  const project = await readProject(io, options.config)
  const out = new Output(io, options)
  const context = { io, out, project, signal: io.signal, env: { HART_DEPOT_PHASE: phase } }
  const outcome = await checkIn(context, phase)
  io.signal.throwIfAborted()
  finish(out, { phase, view: undefined, project }, outcome)
}

/** Runs the check of a phase. */
async function checkIn(context: PhaseContext, phase: CheckPhase): Promise<Outcome> {
  switch (phase) {
    case 'lint':
      return lint(context)
    case 'syntax':
      return syntax(context)
    case 'unit':
    case 'security':
    case 'quality':
      return runOwnCommand(context, phase)
  }
  return phase satisfies never
}

function finish(
  out: Output,
  { phase }: { phase: string; view: string | undefined; project: Project },
  { status, message, exitCode = EXIT.failed, more, brief = [] }: Outcome,
): void {
  out.show(
    { phase, status, message, ...more },
    {
      whole: () => `${phase}: ${status.replace('_', ' ')}: ${message}.`,
      brief: () => [...brief],
    },
  )
  if (status === 'failed') throw new Exit(exitCode)
}
