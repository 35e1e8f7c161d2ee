import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, link, mkdir, readdir, rm } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import { fill } from './backup.ts'
import { LINES, fillWithHistory, nameOf } from './fillings/filling.ts'
import { makeIncompressible } from './fillings/harts.ts'
import { percentile99, startPolls } from './clients/polling.ts'
import type { Taken } from './clients/polling.ts'
import { TARGET, TOKEN, checksumOf, introduce, promote, upload } from './clients/publisher.ts'
import { formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { NodeProcess } from './servers/process.ts'
import { startBare } from './servers/record.ts'

// Measures the time of a poll while all background work runs at once, against an idle depot, and against a
// server that does nothing else and is polled at the same time. The depot has 20,000 releases, of which
// retention removes half, 500 MB of packages to back up and to read again, and 200 MB to fetch from upstream.
// `--each` measures each work alone, too.

const ROUNDS = 4
const IDLE_MS = 4_000
const WARMING_MS = 4_000
const MAX_BUSY_MS = 10_000
/** As in the daily run (upkeep/retention.ts), which also spends at most half of its time. */
const PAUSE_MS = 100
const BLOBS = 1_000
/** The priority of upstream, which usually is another machine. */
const OTHER_MACHINE = 19
const UPSTREAM_ORIGIN = 'core'
const MIRRORED = 400
const MIRRORED_BYTES = 500_000
const GOAL = 2
const POLLED = 40
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const SUPERVISOR = { accept: '*/*', 'user-agent': `hab-sup/2.0.450 (${TARGET}; 6.1.0)` }

interface Bench {
  readonly depot: NodeProcess
  readonly data: string
  readonly scratch: string
  /** Ends the work. It may also end by itself. */
  readonly signal: AbortSignal
}

type Work = Readonly<Record<string, (bench: Bench) => Promise<void>>>

/** The background work. Each begins at the same time, and goes on until the signal. */
const WORK: Work = {
  'a scrub': async ({ depot }) => void process.kill(depot.pid, 'SIGUSR2'),
  'a backup': backUp,
  'a retention run': removeAll,
  'a mirror run': mirror,
}

/** The polls of one round: of the depot, and of the bare server at the same time. */
interface Round {
  readonly idle: Taken
  readonly idleBare: Taken
  readonly busy: Taken
  readonly busyBare: Taken
  readonly removed: number
  readonly fetched: number
}

export async function measureUpkeep(): Promise<Results> {
  await using scratch = await openScratch()
  const template = join(scratch.path, 'template')
  await makeTemplate(template)
  await using upstream = await startServer('depot.ts', [join(scratch.path, 'upstream'), TOKEN])
  await publishMirrored(upstream, scratch.path)
  setPriority(upstream.pid, OTHER_MACHINE)
  const alone = process.argv.includes('--each') ? Object.entries(WORK).map((work) => [work]) : []
  const measurements: Measurement[] = []
  const notes: string[] = []
  for (const works of [Object.entries(WORK), ...alone]) {
    const rounds: Round[] = []
    for (let round = 0; round < ROUNDS; round += 1)
      rounds.push(
        await measureRound(Object.fromEntries(works), { scratch: scratch.path, template, upstream }),
      )
    const atOnce = `while ${works.map(([name]) => name).join(', ')} run${works.length > 1 ? ' at once' : 's'}`
    measurements.push(...measurementsOf(rounds, atOnce))
    const [last] = rounds.slice(-1)
    notes.push(
      `In the last round ${atOnce}, retention removed ${last?.removed} releases and the mirror fetched ${last?.fetched}.`,
    )
  }
  return { measurements, limits: [], missing: [], notes }
}

async function measureRound(
  work: Work,
  { scratch, template, upstream }: { scratch: string; template: string; upstream: NodeProcess },
): Promise<Round> {
  const data = join(scratch, 'data')
  await rm(data, { recursive: true, force: true })
  await copyLinked(template, data)
  await using depot = await startServer('depot.ts', [data, TOKEN], {
    DEPOT_UPSTREAM: `http://127.0.0.1:${upstream.port}`,
    DEPOT_UPSTREAM_ORIGINS: UPSTREAM_ORIGIN,
    DEPOT_MIRROR: `${UPSTREAM_ORIGIN}/stable`,
    DEPOT_MIRROR_RATE: '20MiB',
    DEPOT_UPSTREAM_REFRESH: '0', // only the mirror run refreshes
  })
  await using polls = startPolls(depot.port, paths(), SUPERVISOR)
  await using bare = await startBare(depot.port, paths(), join(scratch, 'bare'))
  await using barePolls = startPolls(bare.port, paths(), SUPERVISOR)
  const during = async (act: () => Promise<unknown>): Promise<[Taken, Taken]> => {
    let ofDepot: Taken = []
    const ofBare = await barePolls.during(async () => {
      ofDepot = await polls.during(act)
    })
    return [ofDepot, ofBare]
  }
  await during(async () => {
    await fetch(`http://127.0.0.1:${depot.port}/api/v1/version`) // loads the API, which takes long, once
    await pause(WARMING_MS) // so that the code is compiled
  })
  const [idle, idleBare] = await during(async () => pause(IDLE_MS))
  const bench = { depot, data, scratch, signal: AbortSignal.timeout(MAX_BUSY_MS) }
  const [busy, busyBare] = await during(async () =>
    Promise.all([pause(MAX_BUSY_MS), ...Object.values(work).map((begin) => begin(bench))]),
  )
  const count = (sql: string) => countIn(join(data, 'depot.sqlite'), sql)
  return {
    idle,
    idleBare,
    busy,
    busyBare,
    removed: count('SELECT count(*) AS count FROM releases WHERE deleted_at IS NOT NULL'),
    fetched: count(
      `SELECT count(*) AS count FROM blobs WHERE size_bytes > ${MIRRORED_BYTES} AND unreferenced_since IS NULL`,
    ),
  }
}

function measurementsOf(rounds: readonly Round[], atOnce: string): Measurement[] {
  const [idle, busy] = [rounds.map((round) => round.idle), rounds.map((round) => round.busy)]
  const [idleBare, busyBare] = [rounds.map((round) => round.idleBare), rounds.map((round) => round.busyBare)]
  return [
    measurement(`p99 of polls ${atOnce}`, percentile99, [busy, idle, 'the same, idle'], GOAL),
    measurement(`p99 of polls ${atOnce}`, percentile99, [busy, busyBare, 'bare node:http, meanwhile']),
    measurement('p99 of polls, idle', percentile99, [idle, idleBare, 'bare node:http, meanwhile']),
    measurement(`longest poll ${atOnce}`, (sample) => Math.max(...sample), [busy, idle, 'the same, idle']),
  ]
}

function measurement(
  name: string,
  of: (sample: Taken) => number,
  [side, yardstick, yardstickName]: [Taken[], Taken[], string],
  goal?: number,
): Measurement {
  return {
    name,
    unit: 'ms',
    depot: spreadOf(side.map(of)),
    yardstick: { name: yardstickName, ...spreadOf(yardstick.map(of)) },
    ...(goal !== undefined && { goal }),
  }
}

/** Makes the data folder that every round begins with. */
async function makeTemplate(folder: string): Promise<void> {
  await mkdir(folder)
  await fillWithHistory(join(folder, 'depot.sqlite'))
  await fill(folder, BLOBS)
  letHalfGo(join(folder, 'depot.sqlite'))
}

/** Publishes the packages that the mirror fetches. */
async function publishMirrored({ port }: NodeProcess, folder: string): Promise<void> {
  const secretKey = await introduce(port, UPSTREAM_ORIGIN)
  const path = join(folder, 'made.hart')
  for (let n = 0; n < MIRRORED; n += 1) {
    const making = { name: `mirrored${n}`, sizeBytes: MIRRORED_BYTES, secretKey, metadata: 'first' } as const
    const { ident } = makeIncompressible(path, making)
    await upload(port, ident, { path, checksum: await checksumOf(path) })
    await promote(port, ident, 'stable')
  }
}

/** Copies a data folder. The packages are links, because a depot does not change their files. */
async function copyLinked(from: string, to: string): Promise<void> {
  const blobs = join(from, 'blobs')
  await cp(from, to, { recursive: true, filter: (path) => !path.startsWith(blobs) })
  await mkdir(join(to, 'blobs'))
  for (const folder of await readdir(blobs)) {
    await mkdir(join(to, 'blobs', folder))
    for (const name of await readdir(join(blobs, folder)))
      await link(join(blobs, folder, name), join(to, 'blobs', folder, name))
  }
}

/**
 * Sets rules, as if long ago, by which every release goes that is not latest in its view. The filled releases
 * have no bytes, so their blobs must not be backed up or read.
 */
function letHalfGo(file: string): void {
  const db = new BetterSqlite3(file)
  db.exec('UPDATE blobs SET unreferenced_since = 1, removed_at = 1 WHERE size_bytes = 1')
  const insert = db.prepare(
    'INSERT INTO retention_rules (scope, rule, account_id, at) VALUES (?, ?, NULL, 1)',
  )
  insert.run('depot', JSON.stringify({ keepLast: 1 }))
  insert.run('view delivered', JSON.stringify({ keepLast: 1, historyMs: 1_000 }))
  db.close()
}

/** Makes backups at the rate and the priority of docs/backups.md. */
async function backUp({ data, scratch, signal }: Bench): Promise<void> {
  const folder = join(scratch, 'backups')
  while (!signal.aborted) {
    await rm(folder, { recursive: true, force: true })
    const backup = [process.execPath, MAIN, 'backup', folder, '--quiet', '--rate', '50MiB']
    const child = spawn('nice', ['-n', '10', ...backup], {
      env: { ...process.env, DEPOT_DATA: data },
      stdio: 'ignore',
    })
    const stop = () => child.kill('SIGTERM')
    signal.addEventListener('abort', stop)
    await once(child, 'exit')
    signal.removeEventListener('abort', stop)
  }
}

/** Removes what goes, part by part, at the pace of the daily run, which would stop after a few parts. */
async function removeAll({ depot, signal }: Bench): Promise<void> {
  for (let cursor: string | null = null; !signal.aborted;) {
    const begun = performance.now()
    const answer = await fetch(`http://127.0.0.1:${depot.port}/api/v1/retention/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify(cursor === null ? {} : { cursor }),
    })
    if (!answer.ok) throw new Error(`a retention run was answered ${answer.status}: ${await answer.text()}`)
    ;({ cursor } = (await answer.json()) as { cursor: string | null })
    await pause(Math.max(PAUSE_MS, performance.now() - begun))
  }
}

/** Fetches packages from upstream, at the rate of `DEPOT_MIRROR_RATE`. */
async function mirror({ depot, signal }: Bench): Promise<void> {
  const ask = async (method: 'GET' | 'POST') => {
    const answer = await fetch(`http://127.0.0.1:${depot.port}/api/v1/upstream/mirror`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    if (!answer.ok) throw new Error(`the mirror was answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as { status: { running: boolean; fault: string | null } }
  }
  for (let { status } = await ask('POST'); status.running && !signal.aborted; { status } = await ask('GET')) {
    if (status.fault !== null) throw new Error(`the mirror failed: ${status.fault}`)
    await pause(1_000)
  }
}

function paths(): string[] {
  const step = Math.floor(LINES / POLLED)
  return Array.from(
    { length: POLLED },
    (_, n) =>
      `/v1/depot/views/delivered/depot/channels/acme/stable/pkgs/${nameOf(n * step).slice('acme/'.length)}/latest?target=${TARGET}`,
  )
}

function countIn(file: string, sql: string): number {
  const db = new BetterSqlite3(file, { readonly: true })
  const { count } = db.prepare<[], { count: number }>(sql).get() ?? { count: 0 }
  db.close()
  return count
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureUpkeep()))
