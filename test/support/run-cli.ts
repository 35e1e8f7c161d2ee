import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main } from '../../src/cli/main.ts'
import { processIo } from '../../src/cli/process-io.ts'
import { knownDatabaseSettings } from './test-database.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
// With a compile cache, a process starts in half the time.
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/hart-depot', import.meta.url))

type Environment = Readonly<Record<string, string>>

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of the command line, with its output so far. */
export interface Running {
  readonly process: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves with the match when the stream's output matches. Rejects if the process ends before. */
  hears(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray>
  readonly ended: Promise<Ended>
}

export interface RunningServer extends Running {
  readonly url: string
}

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

export async function scratchFolder(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-cli-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Starts a command in a process of its own. `files` limits its open files. */
export function run(
  args: readonly string[],
  environment: Environment = {},
  { files }: { files?: number } = {},
): Running {
  const env = { ...ownEnvironment(), NODE_COMPILE_CACHE: COMPILED, ...environment }
  const command = [process.execPath, MAIN, ...args]
  const [program = '', ...rest] =
    files === undefined ? command : ['sh', '-c', `ulimit -n ${files}; exec "$@"`, 'sh', ...command]
  const child = spawn(program, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
    })
  }
  const ended = once(child, 'close').then(([code, signal]): Ended => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...written,
  }))
  return {
    process: child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    ended,
    async hears(name, pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
      const look = () => {
        const match = pattern.exec(written[name])
        if (match !== null) resolve(match)
      }
      child[name].on('data', look)
      void ended.then(({ code, stderr }) =>
        reject(new Error(`the process ended with ${code} before ${pattern}: ${stderr}`)),
      )
      look()
      return promise
    },
  }
}

function ownEnvironment(): Environment {
  const { PATH = '', HOME = '', TMPDIR = tmpdir() } = process.env
  // Commands find nothing of the person who runs the tests.
  const [XDG_CONFIG_HOME, XDG_STATE_HOME] = [join(TMPDIR, 'no-config'), join(TMPDIR, 'no-state')]
  return { PATH, HOME, TMPDIR, XDG_CONFIG_HOME, XDG_STATE_HOME, DEPOT_LISTEN: '127.0.0.1:0' }
}

interface Here {
  readonly env: Environment
  stdout: string
  stderr: string
}

/** The environment and the output of a command that runs in this process. */
const here = new AsyncLocalStorage<Here>()

/**
 * Runs a command to its end in this process, which is much faster than in a process of its own. Several may
 * run at once, but only on different data folders.
 */
export async function runHere(args: readonly string[], environment: Environment = {}): Promise<Ended> {
  catchWrites()
  const settings = await knownDatabaseSettings(environment['DEPOT_DATA'])
  const ended: Here = { env: { ...ownEnvironment(), ...settings, ...environment }, stdout: '', stderr: '' }
  const code = await here.run(ended, () => main(args, processIo()))
  return { code, signal: null, stdout: ended.stdout, stderr: ended.stderr }
}

let catchesWrites = false

function catchWrites(): void {
  if (catchesWrites) return
  catchesWrites = true
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name]
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean
    stream.write = (...args: unknown[]): boolean => {
      const running = here.getStore()
      if (running === undefined) return write(...args)
      running[name] += String(args[0])
      return true
    }
  }
  const { env } = process
  Object.defineProperty(process, 'env', { get: () => here.getStore()?.env ?? env, configurable: true })
}

/** Runs a command to its end, in a process of its own. */
export function runToEnd(args: readonly string[], environment: Environment = {}): Promise<Ended> {
  return run(args, environment).ended
}

/** Starts a server in a process of its own on a free port. The test's teardown kills it. */
export async function startServer(
  t: Teardown,
  dataFolder: string,
  environment: Environment = {},
  options: { files?: number } = {},
): Promise<RunningServer> {
  // A second thread takes as long to start as the first.
  const running = run(['serve'], { DEPOT_DATA: dataFolder, DEPOT_WORKERS: '1', ...environment }, options)
  t.teardown(async () => {
    running.process.kill('SIGKILL')
    await running.ended
  })
  const [, url = ''] = await running.hears('stdout', /hart-depot listens on (\S+)\n/)
  return { ...running, url }
}
