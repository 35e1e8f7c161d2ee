import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeFailure } from './failure.ts'
import { PACKAGE_ROOT } from '../package-root.ts'
import { UsageError } from './subcommand.ts'
import type { Subcommand } from './subcommand.ts'
import { didYouMean } from '../text/nearest.ts'
import { keepYoungGenerationSmall } from './young-generation.ts'

/** All subcommands, by name. Each is loaded only when it runs, because most do not need the server's modules. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  serve: async () => {
    keepYoungGenerationSmall()
    return (await import('./serve.ts')).serve
  },
  healthy: async () => (await import('./healthy.ts')).healthy,
  'account add': async () => (await import('./account-add.ts')).accountAdd,
  'account list': async () => (await import('./account-list.ts')).accountList,
  'token add': async () => (await import('./token-add.ts')).tokenAdd,
  'token list': async () => (await import('./token-list.ts')).tokenList,
  'token revoke': async () => (await import('./token-revoke.ts')).tokenRevoke,
  restored: async () => (await import('./restored.ts')).restored,
  verify: async () => (await import('./verify.ts')).verify,
  'import-builder': async () => (await import('./import-builder.ts')).importBuilder,
  pull: async () => (await import('./pull.ts')).pull,
  'key show': async () => (await import('./key-show.ts')).keyShow,
  'key trust': async () => (await import('./key-trust.ts')).keyTrust,
  demo: async () => (await import('./demo.ts')).demo,
  openapi: async () => (await import('./openapi.ts')).openapi,
}

/** Runs a command line. Resolves with the exit code: 0, 1 if the command failed, or 2 for wrong arguments. */
export async function main(args: readonly string[]): Promise<number> {
  const [first] = args
  if (first === '--version') {
    console.log(`hart-depot ${readVersion()}`)
    return 0
  }
  const isHelp = first === 'help' || args.some((arg) => arg === '--help' || arg === '-h')
  const words = args.filter(
    (arg, index) => !(arg === 'help' && index === 0) && arg !== '--help' && arg !== '-h',
  )
  const name = Object.keys(SUBCOMMANDS).find((known) => startsWith(words, known))
  const load = name === undefined ? undefined : SUBCOMMANDS[name]
  if (name === undefined || load === undefined) return reportNoSubcommand(words, isHelp)
  const subcommand = await load()
  if (isHelp) {
    console.log(helpFor(name, subcommand))
    return 0
  }
  try {
    await subcommand.run(args.slice(name.split(' ').length))
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) {
      console.error(`hart-depot: ${describeFailure(error)}`)
      return 1
    }
    console.error(`hart-depot: ${error.message}; usage: hart-depot ${name} ${subcommand.usage}`.trimEnd())
    return 2
  }
}

/**
 * Prints the help for all subcommands or for a group such as `token`, or that there is no such subcommand. Returns the exit code, which is
 * 0 if the user asked for help.
 */
async function reportNoSubcommand(words: readonly string[], isHelp: boolean): Promise<number> {
  const group = Object.keys(SUBCOMMANDS).filter(
    (known) => words.length === 1 && known.startsWith(`${words[0]} `),
  )
  if (words.length > 0 && group.length === 0) {
    console.error(`hart-depot: ${unknownCommand(words)}`)
    return 2
  }
  const help = await helpForAll(words.length === 0 ? undefined : group)
  if (isHelp) console.log(help)
  else console.error(help)
  return isHelp ? 0 : 2
}

function startsWith(words: readonly string[], name: string): boolean {
  return name.split(' ').every((word, index) => word === words[index])
}

function unknownCommand(words: readonly string[]): string {
  const names = Object.keys(SUBCOMMANDS)
  const [first = ''] = words
  const hint =
    didYouMean(words.slice(0, 2).join(' '), names) ||
    didYouMean(first, [...names, ...names.map((name) => name.split(' ', 1)[0] ?? '')])
  return `there is no command ${JSON.stringify(words.join(' '))}${hint === '' ? ': see hart-depot --help' : hint}`
}

async function helpForAll(names = Object.keys(SUBCOMMANDS)): Promise<string> {
  const width = Math.max(...names.map((name) => name.length))
  const lines = names.map(
    async (name) => `  ${name.padEnd(width)}  ${(await SUBCOMMANDS[name]?.())?.summary}\n`,
  )
  const commands = (await Promise.all(lines)).join('')
  return `hart-depot COMMAND\n\n${commands}\nFor the options of a command, run hart-depot COMMAND --help. Settings are environment variables (DEPOT_…);\nDEPOT_DATA is the depot's data folder (default ./data).`
}

function helpFor(name: string, { usage, summary, details = [] }: Subcommand): string {
  return [
    `hart-depot ${name} ${usage}`.trimEnd(),
    '',
    `  ${summary}`,
    ...(details.length > 0 ? [''] : []),
    ...details.map((line) => `  ${line}`),
  ].join('\n')
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
    version: string
  }
  return version
}
