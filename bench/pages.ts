import { join } from 'node:path'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { askAny, getRequest, pollKeepingAlive } from './clients/load.ts'
import type { Poll } from './clients/load.ts'
import { fill, originOf } from './fillings/million-rows.ts'
import { TARGET, TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { ServerProcess } from './servers/process.ts'

// Measures the first pages of lists of 20,000 releases of one origin, and the same bodies made by prepared
// statements behind node:http.

const SIZE = { releases: 20_000, packages: 2_000, origins: 1, views: 3 }
const ROUNDS = 11
const QUICK_ROUNDS = 3
const READS = 100
const QUICK_READS = 50
const ORIGIN = originOf(0, SIZE.origins)
const HEADERS = { accept: '*/*', 'user-agent': `hab/2.0.450 (${TARGET}; 6.1.0)` }

/** The paths of the depot and of the yardstick, and the highest acceptable ratio. */
const PAGES: Readonly<Record<string, readonly [depot: string, yardstick: string, goal: number]>> = {
  'page of 50 of a channel': [`/v1/depot/channels/${ORIGIN}/unstable/pkgs`, '/channel', 4],
  '_latest of a channel, 2,000 packages': [
    `/v1/depot/channels/${ORIGIN}/unstable/pkgs/_latest?target=${TARGET}`,
    '/latest',
    1,
  ],
  "search for the origin's name": [`/v1/depot/pkgs/search/${ORIGIN}`, '/search', 4],
  'list of the origin': [`/v1/depot/pkgs/${ORIGIN}`, '/list', 4],
}

export async function measurePages({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  const data = join(scratch.path, 'data')
  await fill(data, SIZE)
  await using depot = await startServer('depot.ts', [data, TOKEN])
  await using byHand = await startServer('pages-by-hand.ts', [join(data, 'depot.sqlite'), ORIGIN, TARGET])
  const [rounds, reads] = isQuick ? [QUICK_ROUNDS, QUICK_READS] : [ROUNDS, READS]
  const measurements: Measurement[] = []
  for (const [name, [path, pathByHand, goal]] of Object.entries(PAGES)) {
    const [asked, askedByHand] = [await prepare(depot.port, path), await prepare(byHand.port, pathByHand)]
    if (asked.body !== askedByHand.body) throw new Error(`${path} is not what the yardstick answers`)
    const cost = async (server: ServerProcess, { poll }: Asked) => {
      const before = await server.cpuMs()
      await pollKeepingAlive(server.port, [poll], reads)
      return ((await server.cpuMs()) - before) / reads
    }
    const sides = { depot: () => cost(depot, asked), yardstick: () => cost(byHand, askedByHand) }
    await byTurns(1, sides) // warm up, so that the code is compiled
    const samples = await byTurns(rounds, sides)
    measurements.push({
      name: `${name}, of 20,000 releases`,
      unit: 'processor ms',
      depot: spreadOf(samples.depot),
      yardstick: { name: 'prepared statements', ...spreadOf(samples.yardstick) },
      goal,
    })
  }
  return { measurements, limits: [], missing: [] }
}

interface Asked {
  readonly poll: Poll
  readonly body: string
}

async function prepare(port: number, path: string): Promise<Asked> {
  const request = getRequest(path, HEADERS, 'keep-alive')
  const { firstLine, sizeBytes, body } = await askAny(port, request)
  return { poll: { request, firstLine, answerBytes: sizeBytes }, body: body.toString() }
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measurePages({ isQuick: process.argv.includes('--quick') })))
