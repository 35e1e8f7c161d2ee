import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import BetterSqlite3 from 'better-sqlite3'
import pino from 'pino'
import { sqliteFileOf } from '../src/config/database.ts'
import { readConfig } from '../src/config/config.ts'
import { openDepot } from '../src/depot/open.ts'
import type { Depot } from '../src/depot/depot.ts'
import { ACTOR, CLIENTS, openByHand, perPromotion, rowOf, VERSIONS, VIEW } from './yardsticks/by-hand.ts'
import type { PromotionCost, Row } from './yardsticks/by-hand.ts'
import { promoteAtOnce } from './clients/promoter.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { TARGET, TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import { parseIdent } from '../src/package/ident.ts'

// Measures promotions: the command, through the writer, against prepared statements that write the same rows
// in one transaction of a copy of the database, with `synchronous=FULL` on both sides. Each promotion moves
// `latest` of each of its packages. Then many clients promote at once over HTTP, so that one commit can serve
// several, against one transaction for each.

const PACKAGES = 500
const QUICK_PACKAGES = 64
const RULED = 'ruled'
const BY_HAND = fileURLToPath(new URL('yardsticks/by-hand.ts', import.meta.url))
const MAX_OF_BY_HAND = 0.33

export async function measurePromotions({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  const data = join(scratch.path, 'data')
  const file = join(scratch.path, 'by-hand.sqlite')
  const alone = await measureAlone(data, file, isQuick)
  const together = await measureTogether(data, file, isQuick)
  const overHttp = await measureOverHttp(data, file, isQuick)
  return {
    measurements: [...alone, ...together.measurements, ...overHttp],
    limits: [],
    missing: [],
    notes: [together.note],
  }
}

/** Creates the depot, and copies its database to `file`. */
async function measureAlone(data: string, file: string, isQuick: boolean): Promise<Measurement[]> {
  const depot = await openDepot(readConfig({ DEPOT_DATA: data, DEPOT_ADMIN_TOKEN: TOKEN }), {
    log: pino({ level: 'silent' }),
  })
  try {
    const packages = isQuick ? QUICK_PACKAGES : PACKAGES
    const sets = await publishRows(depot, packages)
    await depot.writer.submit({
      kind: 'createView',
      input: { name: RULED, rule: 'promoted', maker: 'operator' },
      actor: ACTOR,
    })
    await depot.writer.submit({
      kind: 'setGates',
      input: {
        view: RULED,
        gates: { requires: [{ view: VIEW, as: 'member' }], closure: 'depot', promoters: [] },
      },
      actor: ACTOR,
    })
    for (const set of sets) await promote(depot, VIEW, set)
    await checkpoint(depot)
    copyFileSync(sqliteFileOf(depot.config), file)
    using hand = openByHand(file)

    const measurements: Measurement[] = []
    for (const { size, times } of [
      { size: 1, times: isQuick ? 100 : 1_000 },
      { size: packages, times: isQuick ? 6 : 10 },
    ]) {
      const some = sets.map((set) => set.slice(0, size))
      // Versions alternate, so that each promotion moves every pointer.
      const repeat = async (act: (set: readonly Row[], number: number) => Promise<unknown> | void) =>
        perPromotion(times, async (number) => act(some[number % some.length] ?? [], number))
      const samples = await byTurns(isQuick ? 2 : 5, {
        depot: async () => repeat(async (set) => promote(depot, VIEW, set)),
        ruled: async () => repeat(async (set) => promote(depot, RULED, set)),
        hand: async () => repeat((set) => hand.promote(set)),
      })
      const measurement = (
        name: string,
        taken: typeof samples.depot,
        unit: 'cpuMicros' | 'micros',
      ): Measurement => ({
        name,
        unit: unit === 'micros' ? 'µs' : 'processor µs',
        depot: spreadOf(taken.map((sample) => sample[unit])),
        yardstick: { name: 'the same rows by hand', ...spreadOf(samples.hand.map((sample) => sample[unit])) },
      })
      const what = size === 1 ? 'promotion of 1 release' : `promotion of ${size} releases`
      measurements.push(
        measurement(what, samples.depot, 'micros'),
        measurement(what, samples.depot, 'cpuMicros'),
        measurement(`${what}, three rules`, samples.ruled, 'cpuMicros'),
      )
    }
    return measurements
  } finally {
    await depot.close()
  }
}

async function measureTogether(
  data: string,
  file: string,
  isQuick: boolean,
): Promise<{ measurements: Measurement[]; note: string }> {
  const [rounds, times, warming] = isQuick ? [2, 8, 4] : [5, 20, 60]
  await using depot = await startServer('depot.ts', [data, TOKEN])
  await promoteAtOnce(depot, { clients: CLIENTS, times: warming })
  const samples = await byTurns(rounds, {
    depot: () => promoteAtOnce(depot, { clients: CLIENTS, times }),
    alone: () => promoteByHand(file, times * CLIENTS, 1),
    together: () => promoteByHand(file, times * CLIENTS, CLIENTS),
  })
  const measurements = (yardstick: string, taken: readonly PromotionCost[], goal?: number): Measurement[] => {
    const name = `promotion, ${CLIENTS} clients at once`
    const measurement = (unit: string, of: (sample: PromotionCost) => number) => ({
      name,
      unit,
      depot: spreadOf(samples.depot.map(of)),
      yardstick: { name: yardstick, ...spreadOf(taken.map(of)) },
    })
    return [
      { ...measurement('µs', ({ micros }) => micros), ...(goal !== undefined && { goal }) },
      measurement('processor µs', ({ cpuMicros }) => cpuMicros),
    ]
  }
  const medians = Object.fromEntries(
    Object.entries(samples).map(([side, taken]) => [
      side,
      spreadOf(taken.map(({ micros }) => micros)).median,
    ]),
  )
  return {
    // The most that a commit for many can save, because the rows are the same.
    measurements: [
      ...measurements('by hand, one commit each', samples.alone, MAX_OF_BY_HAND),
      ...measurements(`by hand, a commit for ${CLIENTS}`, samples.together),
    ],
    note: noteOn(medians as Record<keyof typeof samples, number>),
  }
}

// The goals for 16 clients and for what is current are 0.5 ms and 0.3 ms of processor time, and 2,500
// promotions a second, as ratios on the machine that RESULTS.md was made on.
const OVER_HTTP = [
  // Two threads that wake each other for a single promotion cannot reach 1.5: see profile.md.
  { name: 'promotion over HTTP, 1 client', load: { clients: 1 }, goal: { cpu: 2.5 } },
  { name: 'promotion over HTTP, 16 clients', load: { clients: 16 }, goal: { cpu: 1.3, wall: 0.8 } },
  {
    name: 'promotion over HTTP of what is current',
    load: { clients: 1, isRepeated: true },
    goal: { cpu: 2 },
  },
  {
    name: 'promotion over /api/v1 of what is current',
    load: { clients: 1, isRepeated: true, isOwnApi: true },
    goal: { cpu: 3.7 },
  },
] as const

/**
 * Measures promotions against a server with hand-written statements, which commits each promotion by itself.
 */
async function measureOverHttp(data: string, file: string, isQuick: boolean): Promise<Measurement[]> {
  await using depot = await startServer('depot.ts', [data, TOKEN])
  await using hand = await startServer('by-hand.ts', [file])
  const measurements: Measurement[] = []
  for (const { name, load, goal } of OVER_HTTP) {
    const times = Math.ceil((isQuick ? 160 : 400) / load.clients)
    const byHand = { ...load, isOwnApi: false } // which knows only Habitat's URL
    // Warm up, so that the code is compiled.
    await promoteAtOnce(depot, { ...load, times: 5 * times })
    await promoteAtOnce(hand, { ...byHand, times: 5 * times })
    const samples = await byTurns(isQuick ? 4 : 10, {
      depot: () => promoteAtOnce(depot, { ...load, times }),
      hand: () => promoteAtOnce(hand, { ...byHand, times }),
    })
    const measurement = (unit: string, of: (sample: PromotionCost) => number, max: number | undefined) => ({
      name,
      unit,
      depot: spreadOf(samples.depot.map(of)),
      yardstick: { name: 'by hand over node:http, one commit each', ...spreadOf(samples.hand.map(of)) },
      ...(max !== undefined && { goal: max }),
    })
    measurements.push(
      measurement('processor µs', ({ cpuMicros }) => cpuMicros, goal.cpu),
      measurement('µs', ({ micros }) => micros, 'wall' in goal ? goal.wall : undefined),
    )
  }
  return measurements
}

/**
 * By hand, a promotion costs its rows and a commit. In the depot, it costs its rows, the request and a part
 * of a commit.
 */
function noteOn({ depot, alone, together }: Record<'depot' | 'alone' | 'together', number>): string {
  const commit = ((alone - together) * CLIENTS) / (CLIENTS - 1)
  const met = (depot / MAX_OF_BY_HAND - (alone - commit)) / 1_000
  return `promotions of ${CLIENTS} clients: a commit takes ${commit.toFixed(0)} µs on this disk, so that the same rows by hand, with one for all, come to ${(together / alone).toFixed(2)} of one each; the depot comes to ${MAX_OF_BY_HAND} where a commit takes ${met.toFixed(1)} ms, as on disks without a cache that outlives the power`
}

async function promoteByHand(file: string, times: number, together: number): Promise<PromotionCost> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    BY_HAND,
    file,
    String(times),
    String(together),
  ])
  return JSON.parse(stdout) as PromotionCost
}

/** Publishes two versions of each package, and returns them as two sets. */
async function publishRows({ writer }: Depot, packages: number): Promise<Row[][]> {
  await writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor: ACTOR })
  const sets: Row[][] = []
  for (const version of VERSIONS) {
    const set = Array.from({ length: packages }, (_, index) => rowOf(index, version))
    const texts = {
      manifest: '',
      config: '',
      exposes: [],
      deps: [],
      tdeps: [],
      buildDeps: [],
      buildTdeps: [],
    }
    const metadata = {
      target: TARGET,
      ...texts,
      packageType: 'standard',
      svcUser: undefined,
      svcGroup: undefined,
    } as const
    await Promise.all(
      set.map(async ({ ident }) =>
        writer.submit({
          kind: 'publishRelease',
          input: {
            ident: parseIdent(ident),
            metadata,
            checksum: createHash('sha256').update(ident).digest('hex'),
            sizeBytes: 1,
            signer: 'acme-20260101000000',
            isVerified: true,
            publisherId: 1,
            isForced: false,
          },
          actor: ACTOR,
        }),
      ),
    )
    sets.push(set)
  }
  return sets
}

async function promote({ writer }: Depot, view: string, releases: readonly Row[]): Promise<void> {
  await writer.submit({ kind: 'promote', input: { view, releases }, actor: ACTOR })
}

/** Moves the write-ahead log into the database file, so that a copy of the file is complete. */
async function checkpoint({ config }: Depot): Promise<void> {
  const connection = new BetterSqlite3(sqliteFileOf(config))
  connection.pragma('wal_checkpoint(TRUNCATE)')
  connection.close()
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measurePromotions({ isQuick: process.argv.includes('--quick') })))
