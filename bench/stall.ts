import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { makeIdent } from '../src/package/ident.ts'
import type { Ident } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { fillWithHistory, REVISIONS } from './fillings/filling.ts'
import { makeIncompressible, makeService } from './fillings/harts.ts'
import type { HartFile } from './fillings/harts.ts'
import { askAny, getRequest } from './clients/load.ts'
import { checksumOf, introduce, promote, TARGET, TOKEN, upload } from './clients/publisher.ts'
import { percentile99, startPolls } from './clients/polling.ts'
import type { Taken } from './clients/polling.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import { startBare } from './servers/record.ts'

// Measures the time of a poll while the depot is busy, against an idle depot: during promotions and a large
// upload, during a backup, and during each kind of long read. The depot has 10,000 packages and as many
// revisions.

const SHOP = 'shop'
const VIEWS = ['acceptance', 'union', 'rehearsal', 'delivered']
const PACKAGES = 10
const RELEASES = ['20260101120000', '20260202120000'] as const
const PROMOTIONS_PER_SECOND = 100
const MAX_PROMOTIONS_AT_ONCE = 32
const UPLOAD_MB = 2_048
const ROUNDS = 3
const READING_MS = 2_000
const GOAL = 3
const BACKUP_GOAL = 2
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const MB = 1024 * 1024
const SUPERVISOR = { accept: '*/*', 'user-agent': `hab-sup/2.0.450 (${TARGET}; 6.1.0)` }

const LONG_READS = [
  {
    name: `a diff of ${REVISIONS / 2} revisions`,
    path: `/api/v1/views/delivered/diff?at=${REVISIONS / 2}&limit=1000`,
  },
  { name: 'a walk through all events', path: '/api/v1/events?after=0&limit=1000' },
  { name: 'a search that finds 10,000', path: '/v1/depot/pkgs/search/acme' },
  { name: 'a list of 10,000', path: '/v1/depot/pkgs/acme?range=-1' },
]

export async function measureStall(): Promise<Results> {
  await using scratch = await openScratch()
  const data = join(scratch.path, 'data')
  await mkdir(data)
  await fillWithHistory(join(data, 'depot.sqlite'))
  await using depot = await startServer('depot.ts', [data, TOKEN])
  const { port } = depot
  const secretKey = await introduce(port, SHOP)
  await publishServices(port, scratch.path, secretKey)
  const large = makeIncompressible(join(scratch.path, 'large.hart'), {
    name: 'large',
    secretKey,
    sizeBytes: UPLOAD_MB * MB,
    metadata: 'first',
  })
  const checksum = await checksumOf(large.path)
  await using polls = startPolls(port, pollUrls(), SUPERVISOR)
  // A second yardstick: a server that does nothing else, polled on the same busy machine.
  await using bare = await startBare(port, pollUrls(), join(scratch.path, 'bare'))
  await using barePolls = startPolls(bare.port, pollUrls(), SUPERVISOR)

  let uploads = 0
  let promotions = 0
  let changingMs = 0
  const change = async () => {
    const begun = performance.now()
    const uploading = new AbortController()
    const promoting = promoteByPace(port, uploading.signal)
    await upload(port, large.ident, { path: large.path, checksum, again: uploads > 0 })
    uploads += 1
    uploading.abort()
    promotions += await promoting
    changingMs += performance.now() - begun
  }
  // Warm up, so that the code is compiled.
  await polls.during(async () => pause(5_000))
  const samples = await byTurns<string, Taken>(ROUNDS, {
    idle: () => polls.during(async () => pause(READING_MS)),
    changing: () => polls.during(change),
    beside: () => barePolls.during(change),
    backup: () => polls.during(() => backUp(data, join(scratch.path, 'backups'))),
    ...Object.fromEntries(
      LONG_READS.map(({ name, path }) => [
        name,
        () => polls.during(async () => readFor(port, path, READING_MS)),
      ]),
    ),
  })

  const measurements = (name: string, taken: readonly Taken[], goal?: number): Measurement[] => {
    const measurement = (what: string, of: (sample: Taken) => number, end?: number): Measurement => ({
      name: `${what} while ${name}`,
      unit: 'ms',
      depot: spreadOf(taken.map(of)),
      yardstick: { name: 'the same, idle', ...spreadOf((samples['idle'] ?? []).map(of)) },
      ...(end !== undefined && { goal: end }),
    })
    return [
      measurement('p99 of polls', percentile99, goal),
      measurement('longest poll', (sample) => Math.max(...sample)),
    ]
  }
  const rate = ((promotions * 1_000) / changingMs).toFixed(0)
  const busy = `${rate} promotions a second and an upload of ${UPLOAD_MB} MB run`
  const beside: Measurement[] = [
    {
      name: `p99 of polls while ${busy}`,
      unit: 'ms',
      depot: spreadOf((samples['changing'] ?? []).map(percentile99)),
      yardstick: {
        name: 'bare node:http, meanwhile',
        ...spreadOf((samples['beside'] ?? []).map(percentile99)),
      },
    },
  ]
  return {
    measurements: [
      ...measurements(busy, samples['changing'] ?? [], GOAL),
      ...beside,
      ...measurements(`a backup of ${UPLOAD_MB} MB runs`, samples['backup'] ?? [], BACKUP_GOAL),
      ...LONG_READS.flatMap(({ name }) => measurements(`${name} runs over and over`, samples[name] ?? [])),
    ],
    limits: [],
    missing: [],
  }
}

/** Makes a backup into an empty folder, at the rate and the priority of docs/backups.md. */
async function backUp(data: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  const backup = [process.execPath, MAIN, 'backup', folder, '--quiet', '--rate', '50MiB']
  const child = spawn('nice', ['-n', '10', ...backup], {
    env: { ...process.env, DEPOT_DATA: data },
    stdio: 'ignore',
  })
  await once(child, 'exit')
}

function pollUrls(): string[] {
  return VIEWS.flatMap((view) =>
    Array.from(
      { length: PACKAGES },
      (_, i) =>
        `/v1/depot/views/${view}/depot/channels/${SHOP}/stable/pkgs/${nameOf(i)}/latest?target=${TARGET}`,
    ),
  )
}

/**
 * Promotes and demotes one release after another at a fixed rate until it is stopped. Returns the number of
 * successes.
 */
async function promoteByPace(port: number, signal: AbortSignal): Promise<number> {
  const begun = performance.now()
  const running = new Set<Promise<void>>()
  let made = 0
  for (let count = 0; !signal.aborted; count += 1) {
    await pause(Math.max(0, begun + (count * 1_000) / PROMOTIONS_PER_SECOND - performance.now()))
    while (running.size >= MAX_PROMOTIONS_AT_ONCE) await Promise.race(running)
    const view = VIEWS[count % VIEWS.length] ?? ''
    const ident = identOf(Math.floor(count / VIEWS.length) % PACKAGES, RELEASES[1])
    const isBack = Math.floor(count / (VIEWS.length * PACKAGES)) % 2 === 1
    const promotion: Promise<void> = promote(port, ident, view, isBack ? 'demote' : 'promote').finally(() =>
      running.delete(promotion),
    )
    made += 1
    running.add(promotion)
  }
  await Promise.all(running)
  return made
}

/** Reads a list page by page, and starts again at its end. */
async function readFor(port: number, path: string, ms: number): Promise<void> {
  const end = performance.now() + ms
  for (let next = path; performance.now() < end;) {
    const { firstLine, body } = await askAny(port, getRequest(next, SUPERVISOR, 'close'))
    if (!/^HTTP\/1\.1 20[06] /.test(firstLine)) throw new Error(`${next} was answered ${firstLine}`)
    next = /"next":"([^"]+)"/.exec(body.toString('latin1', Math.max(0, body.length - 500)))?.[1] ?? path
  }
}

async function publishServices(
  port: number,
  folder: string,
  secretKey: Parameters<typeof makeService>[2],
): Promise<void> {
  for (let i = 0; i < PACKAGES; i += 1) {
    for (const release of RELEASES) {
      const { path, ident }: HartFile = makeService(
        join(folder, 'service.hart'),
        identOf(i, release),
        secretKey,
      )
      await upload(port, ident, { path, checksum: await checksumOf(path) })
    }
    for (const view of VIEWS) await promote(port, identOf(i, RELEASES[0]), view)
  }
}

function nameOf(i: number): string {
  return `service-${i}`
}

function identOf(i: number, release: string): Ident {
  return makeIdent({ origin: SHOP, name: nameOf(i), version: '1.2.0', release })
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureStall()))
