import { readFileSync } from 'node:fs'
import { UsageError } from './cli/subcommand.ts'
import type { Subcommand } from './cli/subcommand.ts'
import { DepotError } from './errors.ts'

/** As they are typed. Each is loaded only when it is asked for: most need no server. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  serve: async () => (await import('./cli/serve.ts')).serve,
  'account add': async () => (await import('./cli/account-add.ts')).accountAdd,
  'account list': async () => (await import('./cli/account-list.ts')).accountList,
  'token add': async () => (await import('./cli/token-add.ts')).tokenAdd,
  'token list': async () => (await import('./cli/token-list.ts')).tokenList,
  'token revoke': async () => (await import('./cli/token-revoke.ts')).tokenRevoke,
  restored: async () => (await import('./cli/restored.ts')).restored,
  verify: async () => (await import('./cli/verify.ts')).verify,
  'import-builder': async () => (await import('./cli/import-builder.ts')).importBuilder,
  pull: async () => (await import('./cli/pull.ts')).pull,
  'key show': async () => (await import('./cli/key-show.ts')).keyShow,
  'key trust': async () => (await import('./cli/key-trust.ts')).keyTrust,
  demo: async () => (await import('./cli/demo.ts')).demo,
  openapi: async () => (await import('./cli/openapi.ts')).openapi,
}

process.exitCode = await main(process.argv.slice(2))

/** The exit code: 1 for what could not be done, 2 for what was typed wrong. */
async function main(args: readonly string[]): Promise<number> {
  const [first] = args
  if (first === '--version') {
    console.log(`hart-depot ${readVersion()}`)
    return 0
  }
  if (first === '--help' || first === '-h' || first === 'help') {
    console.log(await helpForAll())
    return 0
  }
  const [name, load] = Object.entries(SUBCOMMANDS).find(([typed]) => typed.split(' ').every((word, index) => word === args[index])) ?? []
  if (name === undefined || load === undefined) {
    console.error(first === undefined ? await helpForAll() : `hart-depot: there is no command ${JSON.stringify(args.join(' '))}: see hart-depot --help`)
    return 2
  }
  const subcommand = await load()
  const rest = args.slice(name.split(' ').length)
  if (rest.some((arg) => arg === '--help' || arg === '-h')) {
    console.log(helpFor(name, subcommand))
    return 0
  }
  try {
    await subcommand.run(rest)
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageError || codeOf(error)?.startsWith('ERR_PARSE_ARGS')
    console.error(isUsage ? `hart-depot: ${oneLine(error)}; usage: hart-depot ${name} ${subcommand.usage}`.trimEnd() : describeFailure(error))
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

async function helpForAll(): Promise<string> {
  const width = Math.max(...Object.keys(SUBCOMMANDS).map((name) => name.length))
  const lines = Object.entries(SUBCOMMANDS).map(async ([name, load]) => `  ${name.padEnd(width)}  ${(await load()).summary}\n`)
  const commands = (await Promise.all(lines)).join('')
  return `hart-depot COMMAND\n\n${commands}\nhart-depot COMMAND --help says more. Settings are the DEPOT_… variables; DEPOT_DATA (./data) is where the depot is.`
}

function helpFor(name: string, { usage, summary, details = [] }: Subcommand): string {
  return [`hart-depot ${name} ${usage}`.trimEnd(), '', `  ${summary}`, ...(details.length > 0 ? [''] : []), ...details.map((line) => `  ${line}`)].join('\n')
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
