import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir } from 'node:fs/promises'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { fillWithHistory, TARGET } from './fillings/filling.ts'
import { askAny, getRequest } from './clients/load.ts'
import { openScratch } from './scratch.ts'
import { cpuMsOf, freePort } from './servers/program.ts'

// Measures a start with 20,000 releases, from the shell to the first answered poll, and the memory of the
// idle depot: as built by `npm run build`, and from its sources. Yardsticks are node:http with better-sqlite3
// on the same file, and Node that does nothing.

const ROOT = join(import.meta.dirname, '..')
const LATEST = `/v1/depot/views/delivered/pkgs/acme/lib00001/latest?target=${TARGET}`
const TRY_AGAIN_MS = 2
const IDLE_MS = 1_500
const MAX_OF_ROW = { built: { cpuMs: 7, ownMb: 4 }, sources: { cpuMs: 13, ownMb: 5 } }

interface Start {
  readonly ms: number
  readonly cpuMs: number
  /**
   * The memory of all its processes, in megabytes. Pages that processes share count in part, so other
   * programs of Node matter.
   */
  readonly pssMb: number
  /** The part of it that is no file. */
  readonly ownMb: number
}

export async function measureStart({ isQuick }: { isQuick: boolean }): Promise<Results> {
  if (process.platform !== 'linux')
    return { measurements: [], limits: [], missing: ['starts: /proc is only on Linux'] }
  await using scratch = await openScratch()
  const data = join(scratch.path, 'data')
  const file = join(data, 'depot.sqlite')
  await mkdir(data, { mode: 0o700 })
  await fillWithHistory(file)
  await chmod(file, 0o600)
  await promisify(execFile)('npm', ['run', 'build'], { cwd: ROOT })
  const cache = { NODE_COMPILE_CACHE: join(scratch.path, 'compiled') }
  const depot = async (script: string) => {
    const port = await freePort()
    const env = { ...cache, DEPOT_DATA: data, DEPOT_LISTEN: `127.0.0.1:${port}`, DEPOT_LOG_LEVEL: 'error' }
    return startOf(port, [join(ROOT, 'launch'), script, 'serve'], env)
  }
  const sides = {
    built: () => depot('dist/main.js'),
    sources: () => depot('src/main.ts'),
    row: async () => {
      const port = await freePort()
      return startOf(
        port,
        [process.execPath, join(import.meta.dirname, 'servers/row.ts'), file, `${port}`],
        cache,
      )
    },
    nothing: async () => startOf(undefined, [process.execPath, '-e', '0'], {}),
  }
  await byTurns(1, sides) // makes the views of a depot, and fills the cache of compiled code
  const samples = await byTurns(isQuick ? 3 : 12, sides)
  const spread = (side: keyof typeof sides, what: keyof Start) =>
    spreadOf(samples[side].map((start) => start[what]))
  const measurements = (['built', 'sources'] as const).flatMap((side): Measurement[] => {
    const from = side === 'built' ? 'dist/' : 'sources'
    const row = (what: keyof Start) => ({ name: 'node:http and better-sqlite3', ...spread('row', what) })
    const { cpuMs, ownMb } = MAX_OF_ROW[side]
    const start = `start to first answer, 20,000 releases, ${from}`
    const idle = `memory when idle, ${from}`
    const nothing = { name: 'node -e 0', ...spread('nothing', 'ms') }
    return [
      { name: start, unit: 'ms', depot: spread(side, 'ms'), yardstick: row('ms') },
      { name: start, unit: 'ms', depot: spread(side, 'ms'), yardstick: nothing },
      {
        name: start,
        unit: 'processor ms',
        depot: spread(side, 'cpuMs'),
        yardstick: row('cpuMs'),
        goal: cpuMs,
      },
      { name: idle, unit: 'MB PSS', depot: spread(side, 'pssMb'), yardstick: row('pssMb') },
      {
        name: idle,
        unit: 'MB, no files',
        depot: spread(side, 'ownMb'),
        yardstick: row('ownMb'),
        goal: ownMb,
      },
    ]
  })
  return { measurements, limits: [], missing: [] }
}

/**
 * Starts a program, polls until it answers, and ends it after it was idle. Without a port, waits for its end.
 */
async function startOf(
  port: number | undefined,
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Start> {
  const begun = performance.now()
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const gone = once(child, 'exit')
  if (port === undefined) {
    await gone
    return { ms: performance.now() - begun, cpuMs: Number.NaN, pssMb: Number.NaN, ownMb: Number.NaN }
  }
  await answered(port, child)
  const ms = performance.now() - begun
  const cpuMs = sumOf(child, cpuMsOf)
  await pause(IDLE_MS)
  const pssMb = sumOf(child, (pid) => memoryMb(pid, 'Pss'))
  const ownMb = sumOf(child, (pid) => memoryMb(pid, 'Pss_Anon'))
  child.kill('SIGTERM')
  await gone
  return { ms, cpuMs, pssMb, ownMb }
}

async function answered(port: number, child: ChildProcess): Promise<void> {
  const request = getRequest(LATEST, {}, 'close')
  for (;;) {
    if (child.exitCode !== null) throw new Error(`a server ended with ${child.exitCode} before it answered`)
    const answer = await askAny(port, request).catch(() => undefined)
    if (answer?.firstLine.startsWith('HTTP/1.1 200 ') === true) return
    if (answer !== undefined) throw new Error(`unexpected answer: ${answer.firstLine}`)
    await pause(TRY_AGAIN_MS)
  }
}

/** Adds up what is measured of a process and of those that it started. */
function sumOf({ pid }: ChildProcess, measure: (pid: number) => number): number {
  const family = (parent: number): number[] => [
    parent,
    ...readdirSync(`/proc/${parent}/task`)
      .flatMap((thread) =>
        readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean),
      )
      .flatMap((child) => family(Number(child))),
  ]
  return pid === undefined ? Number.NaN : family(pid).reduce((sum, each) => sum + measure(each), 0)
}

function memoryMb(pid: number, field: 'Pss' | 'Pss_Anon'): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(rollup)?.[1]) / 1024
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureStart({ isQuick: process.argv.includes('--quick') })))
