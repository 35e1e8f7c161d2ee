/** The exit codes of all commands; docs/cli.md explains them. */
export const EXIT = {
  done: 0,
  /** Something else failed, or the person at the terminal answered no. */
  failed: 1,
  /** The command line is wrong. Nothing was done. */
  usage: 2,
  /** A rule of the depot, such as a gate or a freeze, refuses the change. */
  refused: 3,
  /** The view or the plan has changed since it was read. */
  stale: 4,
  notFound: 5,
  /** The token is missing, wrong, or lacks the right. */
  noRights: 6,
  /** No answer arrived, or something else than a depot answered. */
  unreachable: 7,
  /** The compared things differ. */
  differs: 8,
  timedOut: 124,
  interrupted: 130,
  terminated: 143,
  /** The reader of stdout or stderr has closed the pipe: 128 + SIGPIPE, as for other tools. */
  pipeClosed: 141,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with an exit code, after it has written everything it has to say. */
export class Exit extends Error {
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message = '') {
    super(message)
    this.name = 'Exit'
    this.exitCode = exitCode
  }
}

/** Wrong arguments or settings of the command line. Nothing was done. */
export class UsageError extends Error {}
