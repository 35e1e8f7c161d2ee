import { statSync } from 'node:fs'
import { join } from 'node:path'
import { parseIdent } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results, Spread } from './results.ts'
import { ask, askAny, getRequest, pollKeepingAlive } from './clients/load.ts'
import type { Poll } from './clients/load.ts'
import { fill, identOf, originOf, packageOf, viewOf } from './fillings/million-rows.ts'
import type { Size } from './fillings/million-rows.ts'
import { promote, TARGET, TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { memoryOf, startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'

// Measures what grows with the number of releases: sends the same requests to depots of three sizes, and
// compares the largest with the smallest.

const SIZES: readonly Size[] = [
  { releases: 1_000, packages: 1_000 },
  { releases: 100_000, packages: 10_000 },
  { releases: 1_000_000, packages: 10_000 },
]
const QUICK_SIZES: readonly Size[] = [
  { releases: 1_000, packages: 1_000 },
  { releases: 10_000, packages: 2_000 },
]
const VIEW = viewOf(5)
const POLLED = 500
const POLLS = 4_000
const MAX_OF_A_POLL = 1.1
const MAX_START_MS = 3_000
const MAX_MEMORY_MB = 500
const MB = 1024 * 1024
const SUPERVISOR = { accept: '*/*', 'user-agent': `hab-sup/2.0.450 (${TARGET}; 6.1.0)` }

const QUESTIONS: Readonly<Record<string, string>> = {
  'a page of the idents of an origin': `/v1/depot/pkgs/${originOf(3)}`,
  'a page of the packages of an origin': `/v1/depot/pkgs/${originOf(3)}?distinct=true`,
  'a page of the releases of a package': `/v1/depot/pkgs/${packageOf(3)}`,
  'the versions of a package': `/v1/depot/pkgs/${packageOf(3)}/versions`,
  "a page of an origin's releases in a view": `/v1/depot/views/${VIEW}/pkgs/${originOf(3)}`,
  'a page of the content of a view': `/api/v1/views/${VIEW}/content?limit=100`,
  'a page of the members of a view': `/api/v1/views/${VIEW}/members?limit=100`,
  'a search that finds one package': `/v1/depot/pkgs/search/package00003?distinct=true`,
  'a search that finds the releases of one': '/v1/depot/pkgs/search/package00003',
  'a search that finds an origin': `/v1/depot/pkgs/search/${originOf(3)}`,
  'a search for a part of one name': '/api/v1/search?q=kage00003',
  'a search for a part of every name': '/api/v1/search?q=kage',
  'a search by name and version': '/api/v1/search?q=name:package00003%20version:1.*',
  'a search in a view by version and signer': `/api/v1/search?q=version:1.0.0%20signed-by:signer%20in:${VIEW}`,
  'a search by version that finds nothing': '/api/v1/search?q=version:9.*',
  'a page of the history of a view': `/api/v1/views/${VIEW}/history?limit=10`,
  'a page of the diff of two views': `/api/v1/views/${VIEW}/diff?with=${viewOf(6)}&limit=100`,
  'the views of a release': `/api/v1/releases/${identOf(3, 0)}/views`,
  'a page of events': '/api/v1/events?after=500&limit=100',
}

interface Measured {
  readonly size: Size
  readonly depot: ServerProcess
  readonly startMs: Spread
  readonly memoryBytes: number
  readonly databaseBytes: number
  readonly polls: readonly Poll[]
}

export async function measureMillion({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const sizes = isQuick ? QUICK_SIZES : SIZES
  await using scratch = await openScratch()
  await using open = new AsyncDisposableStack()
  const all: Measured[] = []
  for (const size of sizes) {
    const data = join(scratch.path, String(size.releases))
    await fill(data, size)
    const starts: number[] = []
    const start = async () => {
      const begun = performance.now()
      const started = await startServer('depot.ts', [data, TOKEN])
      starts.push(performance.now() - begun)
      return started
    }
    for (let round = 0; round < (isQuick ? 0 : 2); round += 1) await (await start())[Symbol.asyncDispose]()
    const depot = open.use(await start())
    const memoryBytes = memoryOf(depot.pid)?.bytes ?? 0
    all.push({
      size,
      depot,
      startMs: spreadOf(starts),
      memoryBytes,
      databaseBytes: statSync(join(data, 'depot.sqlite')).size,
      polls: await prepare(depot.port),
    })
  }
  const [smallest] = all
  const largest = all.at(-1)
  if (smallest === undefined || largest === undefined) throw new Error('there is no size')
  for (const { depot, polls } of all) await pollKeepingAlive(depot.port, polls, POLLS * 2) // warm up, so that the code is compiled and all answers are cached
  const rounds = isQuick ? 2 : 5
  const compare = async (
    name: string,
    unit: string,
    act: (of: Measured) => Promise<number>,
    goal?: number,
  ): Promise<Measurement[]> => {
    const samples = await byTurns(
      rounds,
      Object.fromEntries(all.map((of) => [of.size.releases, () => act(of)])),
    )
    const spread = ({ size }: Measured) => spreadOf(samples[size.releases] ?? [])
    const yardstick = { name: `of ${count(smallest.size)}`, ...spread(smallest) }
    return all.slice(1).map((of) => ({
      name: `${name}, of ${count(of.size)}`,
      unit,
      depot: spread(of),
      yardstick,
      ...(goal !== undefined && of === largest && { goal }),
    }))
  }
  const measurements = await compare(
    'poll, kept alive',
    'processor µs',
    async ({ depot, polls }) => {
      const before = await depot.cpuMs()
      await pollKeepingAlive(depot.port, polls, POLLS)
      return (((await depot.cpuMs()) - before) * 1_000) / POLLS
    },
    MAX_OF_A_POLL,
  )
  for (const [name, path] of Object.entries(QUESTIONS)) {
    const times = isQuick ? 2 : 10
    measurements.push(
      ...(await compare(name, 'ms', async ({ depot }) => {
        const begun = performance.now()
        for (let n = 0; n < times; n += 1) await read(depot.port, path)
        return (performance.now() - begun) / times
      })),
    )
  }
  const moves = ['promote', 'demote'] as const
  for (const { depot } of all)
    for (const act of moves) await promote(depot.port, parseIdent(identOf(7, 0)), VIEW, act)
  measurements.push(
    ...(await compare('a promotion of 1 release', 'ms', async ({ depot }) => {
      const begun = performance.now()
      for (const act of moves) await promote(depot.port, parseIdent(identOf(7, 0)), VIEW, act)
      return (performance.now() - begun) / moves.length
    })),
  )
  return {
    measurements,
    limits: all.flatMap(({ size, startMs, memoryBytes, databaseBytes }) => [
      { name: `start with ${count(size)}`, unit: 'ms', value: startMs.median, max: MAX_START_MS },
      {
        name: `resident memory after a start with ${count(size)} (${(databaseBytes / MB).toFixed(0)} MB on disk)`,
        unit: 'MB',
        value: memoryBytes / MB,
        max: MAX_MEMORY_MB,
      },
    ]),
    missing: isQuick ? ['100,000 and a million releases: not in a quick run'] : [],
  }
}

/** Returns polls of many packages in one view, with their answers. */
async function prepare(port: number): Promise<Poll[]> {
  const polls: Poll[] = []
  for (let n = 0; n < POLLED; n += 1) {
    const request = getRequest(
      `/v1/depot/views/${VIEW}/pkgs/${packageOf(n)}/latest?target=${TARGET}`,
      SUPERVISOR,
      'keep-alive',
    )
    const { firstLine, sizeBytes } = await ask(port, request)
    polls.push({ request, firstLine, answerBytes: sizeBytes })
  }
  return polls
}

async function read(port: number, path: string): Promise<void> {
  const { firstLine } = await askAny(
    port,
    getRequest(path, { ...SUPERVISOR, authorization: `Bearer ${TOKEN}` }, 'close'),
  )
  if (!/^HTTP\/1\.1 20[06] /.test(firstLine)) throw new Error(`${path} was answered ${firstLine}`)
}

function count({ releases }: Size): string {
  return `${releases.toLocaleString('en')} releases`
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureMillion({ isQuick: process.argv.includes('--quick') })))
