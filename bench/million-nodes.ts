import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ThrowawayPostgres } from '../scripts/cluster/postgres.ts'
import { PostgresEngine } from '../src/database/postgres/engine.ts'
import { TOKEN } from './clients/publisher.ts'
import { copyToPostgres } from './fillings/copy-to-postgres.ts'
import { fill } from './fillings/million-rows.ts'
import { formatResults, spreadOf } from './results.ts'
import type { Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { proportionalMemoryOf, startServer } from './servers/process.ts'
import type { NodeProcess } from './servers/process.ts'

// Measures two nodes over a PostgreSQL with a million releases, against a depot on SQLite with the same ones:
// the memory of each process, and what it costs until it serves.

const SIZE = { releases: 1_000_000, packages: 10_000 }
const QUICK_SIZE = { releases: 10_000, packages: 2_000 }
const ROUNDS = 10
const QUICK_ROUNDS = 2
const MAX_OF_SQLITE = 1.2
const MB = 1024 * 1024

interface Started {
  readonly memoryMb: number
  readonly readyMs: number
  readonly processorMs: number
}

export async function measureMillionNodes({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const size = isQuick ? QUICK_SIZE : SIZE
  await using scratch = await openScratch()
  const server = await ThrowawayPostgres.start({
    settings: { shared_buffers: '256MB', maintenance_work_mem: '256MB', max_wal_size: '4GB' },
  })
  try {
    const data = join(scratch.path, 'sqlite')
    await fill(data, size)
    const secretKey = (await readFile(join(data, 'secret.key'), 'utf8')).trim()
    await new PostgresEngine({
      engine: 'postgres',
      url: server.url,
      urlFile: undefined,
      listenUrl: undefined,
    }).migrate(0)
    await copyToPostgres(join(data, 'depot.sqlite'), server.url)
    const settings = {
      DEPOT_DATABASE_URL: server.url,
      DEPOT_SECRET_KEY: secretKey,
      DEPOT_BLOBS: `fs:${join(data, 'blobs')}`,
    }
    const nodes = ['node1', 'node2'].map((name) => join(scratch.path, name))
    for (const node of nodes) await mkdir(node)
    const onSqlite: Started[] = []
    const onPostgres: Started[] = []
    for (let round = 0; round < (isQuick ? QUICK_ROUNDS : ROUNDS); round += 1) {
      onSqlite.push(...(await startAll([data], {})))
      onPostgres.push(...(await startAll(nodes, settings)))
    }
    const compare = (name: string, unit: string, of: (started: Started) => number) => ({
      name,
      unit,
      depot: spreadOf(onPostgres.map(of)),
      yardstick: { name: 'depot on SQLite', ...spreadOf(onSqlite.map(of)) },
    })
    const what = `of two nodes on PostgreSQL with ${size.releases.toLocaleString('en')} releases`
    return {
      measurements: [
        {
          ...compare(`memory (PSS) ${what}, each`, 'MB', ({ memoryMb }) => memoryMb),
          goal: MAX_OF_SQLITE,
        },
        compare(`start ${what}, each, until it serves`, 'processor ms', ({ processorMs }) => processorMs),
        compare(`the same`, 'ms', ({ readyMs }) => readyMs),
      ],
      limits: [],
      missing: isQuick ? ['a million releases: not in a quick run'] : [],
      notes: ['PostgreSQL runs on the same machine; its memory and its processor time are not counted'],
    }
  } finally {
    await server.close()
  }
}

/** Starts processes one after another, and stops them when all have been measured. */
async function startAll(
  folders: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Started[]> {
  await using open = new AsyncDisposableStack()
  const started: { process: NodeProcess; readyMs: number; processorMs: number }[] = []
  for (const folder of folders) {
    const begun = performance.now()
    const process = open.use(await startServer('depot.ts', [folder, TOKEN], settings))
    const readyMs = performance.now() - begun
    started.push({ process, readyMs, processorMs: await process.cpuMs() })
  }
  return started.map(({ process, ...costs }) => ({
    ...costs,
    memoryMb: (proportionalMemoryOf(process.pid) ?? Number.NaN) / MB,
  }))
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureMillionNodes({ isQuick: process.argv.includes('--quick') })))
