import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readConfig } from '../src/config/config.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { LATEST, publishApp, SUPERVISOR } from './poll.ts'
import { TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'
import { has } from './servers/program.ts'

// Measures a second worker: the number of polls in the same time, and the processor time of each. With four
// cores or more, the depot has two of them and the load the others. With two cores, each worker shares a core
// with its load, and one core is compared with two. A further measurement lets the system choose the cores.

const CONNECTIONS = 64
const MAX_TIME = 1 / 1.8
const MAX_PROCESSOR_TIME = 1.1
const EAGER = fileURLToPath(new URL('clients/eager.ts', import.meta.url))
const EAGER_POLLS = 10_000
const run = promisify(execFile)

interface Sample {
  /** The time between two answers. */
  readonly micros: number
  readonly cpuMicros: number
}

/** The answers that a load received. */
interface Load {
  readonly perSecond: number
  readonly polls: number
}

/** The cores of the depot and of the load, in the form of `taskset`. `undefined` means all cores. */
interface Places {
  readonly depot: string | undefined
  readonly load: string | undefined
}

const ANYWHERE: Places = { depot: undefined, load: undefined }

export async function measureWorkers({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const cores = availableParallelism()
  if (!knowsWorkers()) return onlyMissing('the depot has no setting DEPOT_WORKERS')
  if (cores < 2) return onlyMissing('there is one processor core')
  await using scratch = await openScratch()
  await using one = await startServer('depot.ts', [join(scratch.path, 'one'), TOKEN], { DEPOT_WORKERS: '1' })
  await using two = await startServer('depot.ts', [join(scratch.path, 'two'), TOKEN], { DEPOT_WORKERS: '2' })
  for (const depot of [one, two]) {
    await publishApp(depot.port, scratch.path)
    await load(depot, ANYWHERE, isQuick ? 1 : 4) // warm up, so that the code is compiled
  }
  const [rounds, seconds] = isQuick ? [2, 1] : [10, 1]
  const measurements = async (
    kind: string,
    places: { one: Places; two: Places },
    yardstick: string,
    isPromised: boolean,
  ): Promise<Measurement[]> => {
    const samples = await byTurns(rounds, {
      one: () => load(one, places.one, seconds),
      two: () => load(two, places.two, seconds),
    })
    const measurement = (unit: string, of: (sample: Sample) => number, goal: number): Measurement => ({
      name: `poll, 2 workers${kind}`,
      unit,
      depot: spreadOf(samples.two.map(of)),
      yardstick: { name: yardstick, ...spreadOf(samples.one.map(of)) },
      ...(isPromised && { goal }),
    })
    return [
      measurement('µs', ({ micros }) => micros, MAX_TIME),
      measurement('processor µs', ({ cpuMicros }) => cpuMicros, MAX_PROCESSOR_TIME),
    ]
  }
  const anywhere =
    isQuick && has('taskset')
      ? []
      : await measurements(
          ', load from the same machine',
          { one: ANYWHERE, two: ANYWHERE },
          '1 worker',
          false,
        )
  if (!has('taskset'))
    return {
      measurements: anywhere,
      limits: [],
      missing: ['workers told their cores: taskset, of util-linux, is not installed'],
    }
  const both = { depot: '0,1', load: '2,3' }
  const told =
    cores >= 4
      ? await measurements(', load from other cores', { one: both, two: both }, '1 worker', true)
      : await measurements(
          ' and their load on 2 cores',
          { one: { depot: '0', load: '0' }, two: { depot: '0,1', load: '0,1' } },
          '1 worker and its load on 1 core',
          true,
        )
  return {
    measurements: [...told, ...anywhere],
    limits: [],
    missing: has('wrk') ? [] : ['load by wrk, which costs least, for polls of workers: wrk is not installed'],
  }
}

async function load(depot: ServerProcess, places: Places, seconds: number): Promise<Sample> {
  await place(depot.pid, places.depot)
  const before = await depot.cpuMs()
  const { perSecond, polls } = has('wrk')
    ? await loadByWrk(depot.port, places.load, seconds)
    : await loadByOurs(depot.port, places.load)
  return { micros: 1_000_000 / perSecond, cpuMicros: (((await depot.cpuMs()) - before) * 1_000) / polls }
}

async function loadByWrk(port: number, cores: string | undefined, seconds: number): Promise<Load> {
  const headers = Object.entries(SUPERVISOR).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const { stdout } = await runOn(cores, 'wrk', [
    '-t2',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    ...headers,
    `http://127.0.0.1:${port}${LATEST}`,
  ])
  const numberIn = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1])
  const taken = {
    perSecond: numberIn(/^Requests\/sec:\s+([\d.]+)$/m),
    polls: numberIn(/^\s*(\d+) requests in /m),
  }
  if (Number.isNaN(taken.perSecond + taken.polls) || /Non-2xx|Socket errors/.test(stdout))
    throw new Error(`unexpected output of wrk: ${stdout}`)
  return taken
}

/** Makes load with two processes of our own. */
async function loadByOurs(port: number, cores: string | undefined): Promise<Load> {
  const one = async () =>
    Number((await runOn(cores, process.execPath, [EAGER, String(port), LATEST, String(EAGER_POLLS)])).stdout)
  const [a, b] = await Promise.all([one(), one()])
  return { perSecond: a + b, polls: 2 * EAGER_POLLS }
}

async function runOn(
  cores: string | undefined,
  command: string,
  args: readonly string[],
): Promise<{ stdout: string }> {
  return cores === undefined ? run(command, args) : run('taskset', ['-c', cores, command, ...args])
}

/** Moves all threads of a running process to these cores. New threads inherit them. */
async function place(pid: number, cores: string | undefined): Promise<void> {
  if (has('taskset'))
    await run('taskset', ['-a', '-p', '-c', cores ?? `0-${availableParallelism() - 1}`, String(pid)])
}

function knowsWorkers(): boolean {
  try {
    readConfig({ DEPOT_WORKERS: '2' })
    return true
  } catch {
    return false
  }
}

function onlyMissing(why: string): Results {
  return { measurements: [], limits: [], missing: [`polls of several workers: ${why}`] }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureWorkers({ isQuick: process.argv.includes('--quick') })))
