import { EventEmitter } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { main } from '../../src/cli/main.ts'
import type { Io } from '../../src/cli/io.ts'
import { ADMIN_TOKEN } from './start-depot.ts'
import type { TestDepot } from './start-depot.ts'
import { knownDatabaseSettings } from './test-database.ts'

/** Does not exist, so that commands find nothing of the person who runs the tests. */
const NO_HOME = join(tmpdir(), 'hart-depot-no-home')

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** What a person types at a terminal, which commands then ask at. */
  readonly typed?: string
  /** The width of the terminal that stdout and stderr are; none by default. */
  readonly columns?: number
  readonly signal?: AbortSignal
  readonly now?: number
  /** Called with each text that the command writes to stdout. */
  readonly onOutput?: (text: string) => void
  /** Called with each text that the command writes to stderr. */
  readonly onNote?: (text: string) => void
}

/** Runs a command in this process, with an environment and streams of its own. */
export async function runCommand(
  args: readonly string[],
  {
    env = {},
    stdin = '',
    columns,
    signal,
    now = Date.parse('2026-01-02T00:00:00Z'),
    onOutput,
    onNote,
    typed,
  }: CommandOptions = {},
): Promise<CommandResult> {
  const written = { stdout: '', stderr: '' }
  const out = (name: 'stdout' | 'stderr') => ({
    ...((columns !== undefined || typed !== undefined) && { isTTY: true, columns: columns ?? 80 }),
    write: (text: string) => {
      written[name] += text
      if (name === 'stdout') onOutput?.(text)
      else onNote?.(text)
    },
  })
  const keyboard = Object.assign(new PassThrough(), { isTTY: true as const, setRawMode: () => undefined })
  if (typed !== undefined) keyboard.write(typed)
  const io: Io = {
    stdin: typed === undefined ? Readable.from([stdin]) : keyboard,
    stdout: out('stdout'),
    stderr: Object.assign(new EventEmitter(), out('stderr')), // prompts listen for a new size of the terminal
    env: { HOME: NO_HOME, ...(await knownDatabaseSettings(env['DEPOT_DATA'])), ...env },
    now: () => now,
    pause: async () => undefined,
    signal: signal ?? new AbortController().signal,
  }
  const code = await main(args, io)
  return { code, ...written }
}

/** Returns a function that runs commands on a listening depot, by default as its administrator. */
export function commandsOn({ url }: Pick<TestDepot, 'url'>, token: string | undefined = ADMIN_TOKEN) {
  const env = { HART_DEPOT_URL: url, ...(token !== undefined && { HART_DEPOT_TOKEN: token }) }
  return async (args: readonly string[], options: CommandOptions = {}) =>
    runCommand(args, { ...options, env: { ...env, ...options.env } })
}
