/** One thing the command line can do, as main.ts lists it. */
export interface Subcommand {
  /** What may follow its name, for the help. */
  readonly usage: string
  /** One line. */
  readonly summary: string
  /** What the options mean, one line each. */
  readonly details?: readonly string[]
  /** Writes its result to stdout. Throws {@link UsageError} for what was typed wrong. */
  run(args: string[]): Promise<void>
}

/** What was typed makes no sense: exit code 2. */
export class UsageError extends Error {}

/** The one argument that a command takes. Throws {@link UsageError}. */
export function onlyArgument(positionals: readonly string[], name: string): string {
  const [first, ...others] = positionals
  if (first === undefined) throw new UsageError(`${name} is missing`)
  if (others.length > 0) throw new UsageError(`one ${name} is enough: ${others.join(' ')}`)
  return first
}
