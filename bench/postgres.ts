import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pino from 'pino'
import { readConfig } from '../src/config/config.ts'
import { openDepot } from '../src/depot/open.ts'
import type { Depot } from '../src/depot/depot.ts'
import { parseIdent } from '../src/package/ident.ts'
import { ThrowawayPostgres } from '../scripts/cluster/postgres.ts'
import { ACTOR, rowOf, VERSIONS, VIEW } from './yardsticks/by-hand.ts'
import type { Row } from './yardsticks/by-hand.ts'
import { openHandOnPostgres } from './yardsticks/by-hand-postgres.ts'
import { askAny, getRequest, pollClosing, pollKeepingAlive } from './clients/load.ts'
import { LATEST, publishApp, SUPERVISOR } from './poll.ts'
import { TARGET, TOKEN } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'

// Measures a depot on PostgreSQL, whose commits reach the disk: promotions against hand-written SQL that
// writes the same rows on the same server, and polls of one of two nodes against a depot on SQLite.

const SECRET_KEY = '5'.repeat(64)
const CLIENTS = [1, 16] as const
/** Promotions per second may be 0.7 times those by hand. */
const MAX_OF_BY_HAND = 1 / 0.7
const MAX_OF_SQLITE = 1.2
/** V8 compiles code that was called often. With PostgreSQL this takes more polls, some 20,000. */
const WARMING = 40_000

export async function measurePostgres({ isQuick }: { isQuick: boolean }): Promise<Results> {
  if (!ThrowawayPostgres.isInstalled())
    return { measurements: [], limits: [], missing: ['PostgreSQL: it is not installed'] }
  await using scratch = await openScratch()
  const server = await ThrowawayPostgres.start({ isDurable: true })
  try {
    const promotions = await measurePromotions(server, scratch.path, isQuick)
    return {
      measurements: [...promotions, ...(await measurePolls(server, scratch.path, isQuick))],
      limits: [],
      missing: [],
    }
  } finally {
    await server.close()
  }
}

function urlOf(server: ThrowawayPostgres, name: string): string {
  return server.url.replace(/postgres$/, name)
}

async function measurePromotions(
  server: ThrowawayPostgres,
  folder: string,
  isQuick: boolean,
): Promise<Measurement[]> {
  await server.query('create database depot')
  const depot = await openDepot(
    readConfig({
      DEPOT_DATA: join(folder, 'promotions'),
      DEPOT_DATABASE_URL: urlOf(server, 'depot'),
      DEPOT_SECRET_KEY: SECRET_KEY,
      DEPOT_ADMIN_TOKEN: TOKEN,
    }),
    { log: pino({ level: 'silent' }) },
  )
  const most = Math.max(...CLIENTS)
  try {
    await publishRows(depot, most)
    for (const version of VERSIONS)
      for (let client = 0; client < most; client += 1) await promote(depot, rowOf(client, version))
  } catch (error) {
    await depot.close()
    throw error
  }
  await server.query('checkpoint')
  await depot.close()
  await server.query('create database by_hand template depot')
  const again = await openDepot(depot.config, { log: pino({ level: 'silent' }) })
  const hands = await Promise.all(
    Array.from({ length: most }, async () => openHandOnPostgres(urlOf(server, 'by_hand'))),
  )
  try {
    const measurements: Measurement[] = []
    for (const clients of CLIENTS) {
      const times = Math.ceil((isQuick ? 60 : 200) / clients)
      const samples = await byTurns(isQuick ? 4 : 10, {
        depot: async () => microsPerPromotion(clients, times, async (_, row) => promote(again, row)),
        hand: async () =>
          microsPerPromotion(clients, times, async (client, row) => hands[client]?.promote(row)),
      })
      measurements.push({
        name: `durable promotion on PostgreSQL, ${clients === 1 ? '1 client' : `${clients} clients`}`,
        unit: 'µs',
        depot: spreadOf(samples.depot),
        yardstick: { name: 'the same rows by hand', ...spreadOf(samples.hand) },
        goal: MAX_OF_BY_HAND,
      })
    }
    return measurements
  } finally {
    for (const hand of hands) await hand[Symbol.asyncDispose]()
    await again.close()
  }
}

/** Each client promotes its own package, the versions in turns. */
async function microsPerPromotion(
  clients: number,
  times: number,
  act: (client: number, row: Row) => Promise<unknown>,
): Promise<number> {
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let number = 0; number < times; number += 1)
        await act(client, rowOf(client, VERSIONS[number % VERSIONS.length] ?? ''))
    }),
  )
  return ((performance.now() - begun) * 1_000) / (clients * times)
}

async function measurePolls(
  server: ThrowawayPostgres,
  folder: string,
  isQuick: boolean,
): Promise<Measurement[]> {
  await server.query('create database polled')
  const settings = { DEPOT_DATABASE_URL: urlOf(server, 'polled'), DEPOT_SECRET_KEY: SECRET_KEY }
  await using onPostgres = await startServer('depot.ts', [join(folder, 'polled'), TOKEN], settings)
  await using otherNode = await startServer('depot.ts', [join(folder, 'other-node'), TOKEN], settings)
  await using onSqlite = await startServer('depot.ts', [join(folder, 'polled-sqlite'), TOKEN])
  const servers = { depot: onPostgres, sqlite: onSqlite }
  for (const [name, { port }] of Object.entries(servers)) {
    const own = join(folder, name)
    await mkdir(own)
    await publishApp(port, own)
  }
  await askAny(otherNode.port, getRequest(LATEST, SUPERVISOR, 'close')) // it serves, too
  const measurements: Measurement[] = []
  for (const connection of ['keep-alive', 'close'] as const) {
    const poll = connection === 'close' ? pollClosing : pollKeepingAlive
    const count = isQuick ? 500 : 2_000
    const sides: Record<string, () => Promise<number>> = {}
    for (const [name, measured] of Object.entries(servers)) {
      const request = getRequest(LATEST, SUPERVISOR, connection)
      const { firstLine, sizeBytes } = await askAny(measured.port, request)
      const polls = [{ request, firstLine, answerBytes: sizeBytes }]
      await poll(measured.port, polls, WARMING)
      sides[name] = async () => {
        const before = await measured.cpuMs()
        await poll(measured.port, polls, count)
        return (((await measured.cpuMs()) - before) * 1_000) / count
      }
    }
    const samples = await byTurns(isQuick ? 7 : 40, sides)
    measurements.push({
      name: `poll of one of two nodes on PostgreSQL, ${connection === 'close' ? 'Connection: close' : 'kept alive'}`,
      unit: 'processor µs',
      depot: spreadOf(samples['depot'] ?? []),
      yardstick: { name: 'the depot on SQLite', ...spreadOf(samples['sqlite'] ?? []) },
      goal: MAX_OF_SQLITE,
    })
  }
  return measurements
}

/** Publishes two versions of each package. */
async function publishRows({ writer }: Depot, packages: number): Promise<void> {
  await writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor: ACTOR })
  const lists = { exposes: [], deps: [], tdeps: [], buildDeps: [], buildTdeps: [] }
  const texts = { manifest: '', config: '', svcUser: undefined, svcGroup: undefined }
  for (const version of VERSIONS)
    for (let number = 0; number < packages; number += 1) {
      const { ident } = rowOf(number, version)
      await writer.submit({
        kind: 'publishRelease',
        input: {
          ident: parseIdent(ident),
          metadata: { target: TARGET, ...lists, ...texts, packageType: 'standard' },
          checksum: createHash('sha256').update(ident).digest('hex'),
          sizeBytes: 1,
          signer: 'acme-20260101000000',
          isVerified: true,
          publisherId: 1,
          isForced: false,
        },
        actor: ACTOR,
      })
    }
}

async function promote({ writer }: Depot, row: Row): Promise<void> {
  await writer.submit({ kind: 'promote', input: { view: VIEW, releases: [row] }, actor: ACTOR })
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measurePostgres({ isQuick: process.argv.includes('--quick') })))
