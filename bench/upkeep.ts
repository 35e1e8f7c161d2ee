import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import { fill } from './backup.ts'
import { LINES, fillWithHistory, nameOf } from './filling.ts'
import { percentile99, startPolls } from './polling.ts'
import type { Taken } from './polling.ts'
import { TARGET, TOKEN } from './publisher.ts'
import { formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { NodeProcess } from './servers/process.ts'
import { startBare } from './servers/record.ts'

// Measures the time of a poll while all background work runs at once, against an idle depot, and against a
// server that does nothing else and is polled at the same time. The depot has 20,000 releases, of which
// retention removes half, and 500 MB of packages to back up and to read again.

const ROUNDS = 5
const IDLE_MS = 4_000
const WARMING_MS = 5_000
const MAX_BUSY_MS = 12_000
/** As in the daily run (upkeep/retention.ts), which also spends at most half of its time. */
const PAUSE_MS = 100
const BLOBS = 1_000
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

/** The background work. Each begins at the same time, and goes on until the signal. */
const WORK: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  'a scrub': async ({ depot }) => void process.kill(depot.pid, 'SIGUSR2'),
  'a backup': backUp,
  'a retention run': removeAll,
}

export async function measureUpkeep(): Promise<Results> {
  await using scratch = await openScratch()
  const template = join(scratch.path, 'template')
  await mkdir(template)
  await fillWithHistory(join(template, 'depot.sqlite'))
  await fill(template, BLOBS)
  letHalfGo(join(template, 'depot.sqlite'))
  const taken: Record<'idle' | 'busy' | 'idleBare' | 'busyBare', Taken[]> = {
    idle: [],
    busy: [],
    idleBare: [],
    busyBare: [],
  }
  let removed = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const data = join(scratch.path, 'data')
    await rm(data, { recursive: true, force: true })
    await cp(template, data, { recursive: true })
    await using depot = await startServer('depot.ts', [data, TOKEN])
    await using polls = startPolls(depot.port, paths(), SUPERVISOR)
    await using bare = await startBare(depot.port, paths(), join(scratch.path, 'bare'))
    await using barePolls = startPolls(bare.port, paths(), SUPERVISOR)
    const during = async (act: () => Promise<unknown>): Promise<[Taken, Taken]> => {
      let ofDepot: Taken = []
      const ofBare = await barePolls.during(async () => {
        ofDepot = await polls.during(act)
      })
      return [ofDepot, ofBare]
    }
    await during(async () => pause(WARMING_MS)) // so that the code is compiled
    const [idle, idleBare] = await during(async () => pause(IDLE_MS))
    const work = { depot, data, scratch: scratch.path, signal: AbortSignal.timeout(MAX_BUSY_MS) }
    const [busy, busyBare] = await during(async () =>
      Promise.all(Object.values(WORK).map((begin) => begin(work))),
    )
    taken.idle.push(idle)
    taken.busy.push(busy)
    taken.idleBare.push(idleBare)
    taken.busyBare.push(busyBare)
    removed = countRemoved(join(data, 'depot.sqlite'))
  }
  const names = Object.keys(WORK).join(', ')
  const { idle, busy, idleBare, busyBare } = taken
  const atOnce = `while ${names} run at once`
  return {
    measurements: [
      measurement(`p99 of polls ${atOnce}`, percentile99, [busy, idle, 'the same, idle'], GOAL),
      measurement(`p99 of polls ${atOnce}`, percentile99, [busy, busyBare, 'bare node:http, meanwhile']),
      measurement('p99 of polls, idle', percentile99, [idle, idleBare, 'bare node:http, meanwhile']),
      measurement(`longest poll ${atOnce}`, (sample) => Math.max(...sample), [busy, idle, 'the same, idle']),
    ],
    limits: [],
    missing: [],
    notes: [`The retention run of the last round removed ${removed} releases.`],
  }
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

function paths(): string[] {
  const step = Math.floor(LINES / POLLED)
  return Array.from(
    { length: POLLED },
    (_, n) =>
      `/v1/depot/views/delivered/depot/channels/acme/stable/pkgs/${nameOf(n * step).slice('acme/'.length)}/latest?target=${TARGET}`,
  )
}

function countRemoved(file: string): number {
  const db = new BetterSqlite3(file, { readonly: true })
  const { count } = db
    .prepare<[], { count: number }>('SELECT count(*) AS count FROM releases WHERE deleted_at IS NOT NULL')
    .get() ?? { count: 0 }
  db.close()
  return count
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureUpkeep()))
