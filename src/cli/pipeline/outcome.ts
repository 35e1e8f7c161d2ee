import type { ExitCode } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import type { Output } from '../output.ts'
import type { Project } from './config.ts'
import type { CommandEnd } from './run-command.ts'

/** How a phase ended. */
export interface Outcome {
  readonly status: 'passed' | 'failed' | 'skipped' | 'not_configured'
  /** What was done, or what failed and why: a sentence without a full stop. */
  readonly message: string
  /** How the command exits after a failure; 1 by default. */
  readonly exitCode?: ExitCode
  /** Added to the document of `--json`. */
  readonly more?: Readonly<Record<string, unknown>>
  /** The lines of `--quiet`. */
  readonly brief?: readonly string[]
}

/** The arguments of a phase. */
export interface PhaseContext {
  readonly io: Io
  readonly out: Output
  readonly project: Project
  /** Ends the phase: a signal of the system, a lost lease, or a newer change. */
  readonly signal: AbortSignal
  /** The variables that commands of the project get in addition to the environment. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** How to install a tool. */
const INSTALL: Readonly<Record<string, string>> = {
  shellcheck:
    'apt-get install shellcheck, apk add shellcheck, brew install shellcheck, or https://github.com/koalaman/shellcheck/releases',
  bash: 'apt-get install bash, or apk add bash',
  hab: 'https://docs.chef.io/habitat/install_habitat, or give packages that were built with --artifact FILE',
}

/** Describes how a tool or a command ended, or returns `undefined` if it succeeded. */
export function describeEnd(end: CommandEnd, command: string, folder: string): string | undefined {
  switch (end.how) {
    case 'exited':
      return end.code === 0 ? undefined : `${command} ended with exit code ${end.code}, in ${folder}`
    case 'killed':
      return `${command} was ended by ${end.signal}, in ${folder}`
    case 'timed out':
      return `${command} took too long and was ended, in ${folder}`
    case 'stopped':
      return `${command} was stopped, in ${folder}`
    case 'not found':
      return `${command} cannot be run (${end.reason})${adviceFor(command)}`
  }
  return end satisfies never
}

/** Returns the end of a sentence that says where a tool comes from, or an empty text. */
export function adviceFor(tool: string): string {
  const install = INSTALL[tool]
  return install === undefined ? '' : `. Install it: ${install}`
}
