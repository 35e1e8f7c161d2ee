import { readVersion } from '../package-root.ts'
import { didYouMean } from '../text/nearest.ts'
import { EXIT } from './exit-codes.ts'
import { exitCodeOf, explain } from './failure.ts'
import { breakLines, fitHelp } from './help-text.ts'
import { helpWidthOf } from './io.ts'
import type { Io } from './io.ts'
import { ENTRIES, PROGRAM } from './program/program.ts'
import type { Entry } from './program/entry.ts'
import { namesDepot } from './remote/local-too.ts'

/** Runs a command line, and resolves with its exit code. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [first] = args
  if (first === '--version') {
    io.stdout.write(`hart-depot ${readVersion()}\n`)
    return EXIT.done
  }
  if (first === '__complete') {
    await (await import('./complete.ts')).printCandidates(args.slice(1), io)
    return EXIT.done
  }
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args // a command that is given after -- has its own help
  const isHelp = first === 'help' || own.some((arg) => arg === '--help' || arg === '-h')
  const words = own.filter(
    (arg, index) => !(arg === 'help' && index === 0) && arg !== '--help' && arg !== '-h',
  )
  const entry = ENTRIES.find(({ name }) => startsWith(words, name))
  return entry === undefined
    ? reportNoCommand(words, isHelp, io)
    : run(
        entry,
        { isHelp, args: isHelp ? helpArgs(words, entry) : args.slice(entry.name.split(' ').length) },
        io,
      )
}

/** Asks for the help of a command, or of its subcommand if one is named. */
function helpArgs(words: readonly string[], { name }: Entry): string[] {
  const next = words[name.split(' ').length]
  return next === undefined || next.startsWith('-') ? ['--help'] : [next, '--help']
}

/**
 * Prints the help of all commands or of a group. If it was not asked for, it goes to stderr as a mistake.
 * Says that a command is unknown if there is no help to print.
 */
function reportNoCommand(words: readonly string[], isHelp: boolean, { stdout, stderr }: Io): number {
  const group = words.length === 1 ? ENTRIES.filter(({ name }) => name.startsWith(`${words[0]} `)) : []
  const width = helpWidthOf(isHelp ? stdout : stderr)
  const help = words.length === 0 ? helpForAll(width) : group.length > 0 ? listOf(group, width) : undefined
  if (isHelp && help !== undefined) {
    stdout.write(`${help}\n`)
    return EXIT.done
  }
  stderr.write(`${help ?? `hart-depot: ${unknownCommand(words)}`}\n`)
  return EXIT.usage
}

async function run(
  { name, summary, load }: Entry,
  { isHelp, args }: { isHelp: boolean; args: readonly string[] },
  io: Io,
): Promise<number> {
  try {
    // The help of a command that works with and without a server describes all its options.
    const isRemote = isHelp || namesDepot(args, io.env)
    const [define, { runCommand }] = await Promise.all([load(isRemote), import('./command.ts')])
    await runCommand({ name, summary, define }, args, io)
    return EXIT.done
  } catch (error) {
    const sentence = explain(error)
    if (sentence !== '') io.stderr.write(`hart-depot: ${sentence}\n`)
    return exitCodeOf(error)
  }
}

function startsWith(words: readonly string[], name: string): boolean {
  return name.split(' ').every((word, index) => word === words[index])
}

function unknownCommand(words: readonly string[]): string {
  const names = ENTRIES.map(({ name }) => name)
  const [first = ''] = words
  if (first.startsWith('-'))
    return `the command must come first, and ${first} after it: see hart-depot --help`
  const hint =
    didYouMean(words.slice(0, 2).join(' '), names) ||
    didYouMean(first, [...names, ...names.map((name) => name.split(' ', 1)[0] ?? '')])
  return `there is no command ${JSON.stringify(words.join(' '))}${hint === '' ? ': see hart-depot --help' : hint}`
}

function helpForAll(width: number): string {
  const groups = Object.entries(PROGRAM).map(
    ([heading, entries]) => `${heading}:\n${linesOf(entries, width)}`,
  )
  return `hart-depot COMMAND\n\n${groups.join('\n\n')}\n\n${fitHelp(
    'For the options of a command, run hart-depot COMMAND --help. Settings of a depot are environment variables (DEPOT_…); DEPOT_DATA is its data folder. Without it, ./data and /var/lib/hart-depot are tried.',
    width,
  )}`
}

function listOf(entries: readonly Entry[], width: number): string {
  return `${linesOf(entries, width)}\n\nFor the options of a command, run hart-depot COMMAND --help.`
}

const NAME_WIDTH = Math.max(...ENTRIES.map(({ name }) => name.length))

function linesOf(entries: readonly Entry[], width: number): string {
  const indent = NAME_WIDTH + 4
  return entries
    .map(({ name, summary }) => {
      const lines = breakLines(summary, width - indent)
      return `  ${name.padEnd(NAME_WIDTH)}  ${lines.join(`\n${' '.repeat(indent)}`)}`
    })
    .join('\n')
}
