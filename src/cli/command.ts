import { Command, CommanderError } from 'commander'
import type { Command as TypedCommand } from '@commander-js/extra-typings'
import { EXIT, Exit, UsageError } from './exit-codes.ts'
import { breakLines, fitHelp } from './help-text.ts'
import { helpWidthOf } from './io.ts'
import type { Io } from './io.ts'

/** Adds arguments, options and the action to a new command. */
export type Define = (command: TypedCommand, io: Io) => unknown

/** A command line and what it does. */
export type Example = readonly [line: string, does: string]

/** Formats the examples of a command for its help. Each command has two or more. */
export function examples(lines: readonly [Example, Example, ...Example[]]): string {
  const texts = lines.map(([line, does]) => `  # ${does}\n  hart-depot ${line}`)
  return `\nExamples:\n${texts.join('\n\n')}`
}

/** How the help describes options that {@link collect} parses. */
export const SEVERAL = 'repeat it, or give several with commas'

/** Parses an option that can be repeated, or take several values with commas. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, ...value.split(',').map((part) => part.trim())]
}

/**
 * Runs a command. Throws a {@link UsageError} for wrong arguments, an {@link Exit} without a message after
 * `--help`, and what its action throws.
 */
export async function runCommand(
  { name, summary, define }: { name: string; summary: string; define: Define },
  args: readonly string[],
  io: Io,
): Promise<void> {
  const command = makeCommand(name, summary, io)
  // The typed package declares the same class a second time.
  define(command as unknown as TypedCommand, io)
  try {
    refuseMissingValues(command, args)
    await command.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) throw new Exit(EXIT.done)
      throw new UsageError(`${wrongArguments(error)}; see hart-depot ${name} --help`)
    }
    if (error instanceof UsageError && !error.message.includes('hart-depot '))
      throw new UsageError(`${error.message}; see hart-depot ${name} --help`)
    throw error
  }
}

/** Makes a command that throws instead of ending the process, and that writes only its help. */
export function makeCommand(name: string, summary: string, io: Io): Command {
  return new Command()
    .name(`hart-depot ${name}`)
    .description(summary)
    .exitOverride()
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ minWidthToWrap: 20 })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(fitOutput(text, helpWidthOf(io.stdout))),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => helpWidthOf(io.stdout),
      getErrHelpWidth: () => helpWidthOf(io.stderr),
      outputError: () => undefined, // main() writes all errors
    })
}

/** Fits help to a width. Of the part that begins with the usage, commander has fitted all but the usage. */
function fitOutput(text: string, width: number): string {
  const [usage = '', ...others] = text.split('\n')
  if (!usage.startsWith('Usage:')) return fitHelp(text, width)
  return [breakLines(usage, width).join('\n  '), ...others].join('\n')
}

/**
 * Refuses an option that is followed by another one instead of its value. `--reason=-x` still gives a value
 * that begins with a dash.
 */
function refuseMissingValues(command: Command, args: readonly string[]): void {
  const options = [command, ...command.commands].flatMap((each) => each.options)
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  for (const [index, arg] of own.entries()) {
    const value = own[index + 1] ?? ''
    if (
      /^-./.test(value) &&
      options.some(({ required, short, long }) => required && [short, long].includes(arg))
    )
      throw new UsageError(
        `${arg} needs a value; write a value that begins with - as ${arg.startsWith('--') ? `${arg}=` : arg}${value}`,
      )
  }
}

function wrongArguments(error: CommanderError): string {
  if (error.code === 'commander.help') return 'one of the commands above is missing'
  return error.message
    .replace(/^error: |\.$/g, '')
    .replace('\n(Did you mean', '; did you mean')
    .replace(/\?\)$/, '?')
}
