import { Command, CommanderError } from 'commander'
import type { Command as TypedCommand } from '@commander-js/extra-typings'
import type { Io } from './io.ts'

/** Adds arguments, options and the action to a new command. */
export type Define = (command: TypedCommand, io: Io) => unknown

/** A command line and what it does. */
export type Example = readonly [line: string, does: string]

/** Adds examples to a command's help. Each command has two or more. */
export function examples(lines: readonly [Example, Example, ...Example[]]): string {
  const texts = lines.map(([line, does]) => `  # ${does}\n  hart-depot ${line}`)
  return `\nExamples:\n${texts.join('\n\n')}`
}

/**
 * Runs a command. Throws a CommanderError for wrong arguments and after `--help`, and what its action throws.
 */
export async function runCommand(
  name: string,
  summary: string,
  define: Define,
  args: readonly string[],
  io: Io,
): Promise<void> {
  const command = new Command()
    .name(`hart-depot ${name}`)
    .description(summary)
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 80,
      getErrHelpWidth: () => io.stderr.columns ?? 80,
      outputError: () => undefined, // main() writes all errors
    })
  // The typed package declares the same class a second time.
  define(command as unknown as TypedCommand, io)
  await command.parseAsync([...args], { from: 'user' })
}

/** Whether an error only ends the command, because its help was shown. */
export function isHelpShown(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0
}

/** The message for wrong arguments, or `undefined` for any other error. */
export function wrongArguments(error: unknown): string | undefined {
  if (!(error instanceof CommanderError) || error.exitCode === 0) return undefined
  if (error.code === 'commander.help') return 'one of the commands above is missing'
  return error.message
    .replace(/^error: /, '')
    .replace('\n(Did you mean', '; did you mean')
    .replace(/\?\)$/, '?')
}
