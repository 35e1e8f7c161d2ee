import { readFileSync } from 'node:fs'
import { accountAdd } from './cli/account-add.ts'
import { accountList } from './cli/account-list.ts'
import { demo } from './cli/demo.ts'
import { serve } from './cli/serve.ts'
import { UsageError } from './cli/subcommand.ts'
import type { Subcommand } from './cli/subcommand.ts'
import { tokenAdd } from './cli/token-add.ts'
import { tokenList } from './cli/token-list.ts'
import { tokenRevoke } from './cli/token-revoke.ts'
import { DepotError } from './errors.ts'

const SUBCOMMANDS: readonly Subcommand[] = [
  serve,
  accountAdd,
  accountList,
  tokenAdd,
  tokenList,
  tokenRevoke,
  demo,
]

process.exitCode = await main(process.argv.slice(2))

/** The exit code: 1 for what could not be done, 2 for what was typed wrong. */
async function main(args: readonly string[]): Promise<number> {
  const [first] = args
  if (first === '--version') {
    console.log(`hart-depot ${readVersion()}`)
    return 0
  }
  if (first === '--help' || first === '-h' || first === 'help') {
    console.log(helpForAll())
    return 0
  }
  const subcommand = SUBCOMMANDS.find(({ name }) => name.split(' ').every((word, index) => word === args[index]))
  if (subcommand === undefined) {
    console.error(first === undefined ? helpForAll() : `hart-depot: there is no command ${JSON.stringify(args.join(' '))}: see hart-depot --help`)
    return 2
  }
  const rest = args.slice(subcommand.name.split(' ').length)
  if (rest.some((arg) => arg === '--help' || arg === '-h')) {
    console.log(helpFor(subcommand))
    return 0
  }
  try {
    await subcommand.run(rest)
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageError || codeOf(error)?.startsWith('ERR_PARSE_ARGS')
    console.error(isUsage ? `hart-depot: ${oneLine(error)}; usage: hart-depot ${subcommand.name} ${subcommand.usage}`.trimEnd() : describeFailure(error))
    return isUsage ? 2 : 1
  }
}

/** One line for what the caller or the machine caused, which is what has a code; the stack for a fault of our own. */
function describeFailure(error: unknown): string {
  if (error instanceof DepotError || codeOf(error) !== undefined) return `hart-depot: ${oneLine(error)}`
  return `hart-depot: ${error instanceof Error ? error.stack : String(error)}`
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' ')
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function helpForAll(): string {
  const width = Math.max(...SUBCOMMANDS.map(({ name }) => name.length))
  const lines = SUBCOMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `hart-depot COMMAND\n\n${lines.join('\n')}\n\nhart-depot COMMAND --help says more. Settings are the DEPOT_… variables; DEPOT_DATA (./data) is where the depot is.`
}

function helpFor({ name, usage, summary, details = [] }: Subcommand): string {
  return [`hart-depot ${name} ${usage}`.trimEnd(), '', `  ${summary}`, ...(details.length > 0 ? [''] : []), ...details.map((line) => `  ${line}`)].join('\n')
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
