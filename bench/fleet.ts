import { join } from 'node:path'
import { formatIdent, makeIdent } from '../src/package/ident.ts'
import type { Ident } from '../src/package/ident.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Limit, Results } from './results.ts'
import { makeService } from './fillings/harts.ts'
import { askClosing, getRequest } from './clients/load.ts'
import {
  checksumOf,
  createChannel,
  introduce,
  ORIGIN,
  promote,
  TARGET,
  TOKEN,
  upload,
} from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { memoryOf, startServer } from './servers/process.ts'
import { startBare } from './servers/record.ts'

// Measures the polls of a fleet. Supervisors poll one after another, each on a new connection and for its own
// service, in several views, half of them through a channel and half through the view's URL, while releases
// are promoted and demoted. Every answer is checked. The yardstick is node:http with a fixed answer for each
// URL.

const PACKAGES = 50
const ROUNDS = 9
const POLLS = 4_000
const WARMING_POLLS = 20_000
/** The supervisors: half poll through a channel of the depot, half through the view's URL. */
const SUPERVISORS_PER_LINE = 4
const VIEWS = ['develop', 'test', 'review', 'staging', 'production']
/** With a thousand supervisors and the default interval of a minute, this is two promotions a minute. */
const POLLS_PER_PROMOTION = 500
const IN_FLIGHT = 16
const GOAL = 2.5
/**
 * Resident memory varies by a hundred megabytes with garbage collection. Live memory shows whether polls
 * leak.
 */
const MAX_GROWTH_MB = 128
const MAX_LIVE_GROWTH_MB = 8
const MB = 1024 * 1024
/**
 * The step from one promoted line to the next. It is larger than a view, so that view and package both
 * change.
 */
const LINES_APART = 7
const HAB_SUP = { accept: '*/*', 'user-agent': `hab-sup/2.0.450 (${TARGET}; 6.1.0)` }
/** The releases of each package. The first is always in every view; the second is promoted and demoted. */
const RELEASES = ['20260101120000', '20260202120000'] as const

/** A package in a view. */
interface Line {
  readonly view: string
  readonly name: string
  /** Every value of `latest`. The last one may not be committed yet. */
  readonly was: string[]
  /** The index of the last value whose promotion was answered. */
  answered: number
}

interface Supervisor {
  readonly line: Line
  readonly url: string
  readonly request: Buffer
}

interface Fleet {
  readonly port: number
  readonly supervisors: readonly Supervisor[]
  readonly lines: readonly Line[]
  /** Supervisors that poll next, before the others. */
  readonly next: Supervisor[]
  polls: number
  promotions: number
  wrong: number
}

export async function measureFleet(): Promise<Results> {
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await publishServices(depot.port, scratch.path)
  const ofDepot = makeFleet(depot.port)
  const urls = new Set(ofDepot.supervisors.map((supervisor) => supervisor.url))
  await using bare = await startBare(depot.port, urls, join(scratch.path, 'recorded'))
  const ofBare = makeFleet(bare.port)

  const microsPerPoll = async (side: 'depot' | 'bare', polls: number) => {
    const server = side === 'depot' ? depot : bare
    const before = await server.cpuMs()
    if (side === 'depot') await poll(ofDepot, polls, () => promoteNext(ofDepot))
    else await poll(ofBare, polls, async () => undefined)
    return (((await server.cpuMs()) - before) * 1000) / polls
  }
  // Warm up, so that the code is compiled and the depot has cached each answer.
  for (const side of ['depot', 'bare'] as const) await microsPerPoll(side, WARMING_POLLS)
  const before = memoryOf(depot.pid)
  const samples = await byTurns(ROUNDS, {
    depot: () => microsPerPoll('depot', POLLS),
    bare: () => microsPerPoll('bare', POLLS),
  })
  const after = memoryOf(depot.pid)
  // Last, because polls are slower for a while after a forced garbage collection.
  const liveBefore = await depot.liveBytes()
  await microsPerPoll('depot', WARMING_POLLS)
  const liveAfter = await depot.liveBytes()
  if (ofBare.wrong > 0) throw new Error('the yardstick does not answer as the depot did')

  const measurement: Measurement = {
    name: `poll of a fleet of ${ofDepot.supervisors.length}, a promotion each ${POLLS_PER_PROMOTION}`,
    unit: 'processor µs',
    depot: spreadOf(samples.depot),
    yardstick: { name: 'bare node:http', ...spreadOf(samples.bare) },
    goal: GOAL,
  }
  const limits: Limit[] = [
    {
      name: `wrong answers to ${ofDepot.polls} polls of a fleet, ${ofDepot.promotions} promotions`,
      unit: 'answers',
      value: ofDepot.wrong,
      max: 1,
    },
  ]
  const growth = ({
    what,
    polls,
    from,
    to,
    max,
  }: {
    what: string
    polls: number
    from: number
    to: number
    max: number
  }) => {
    limits.push({
      name: `${what} memory of ${polls} polls of a fleet: growth from ${(from / MB).toFixed(0)} MB`,
      unit: 'MB',
      value: (to - from) / MB,
      max,
    })
  }
  growth({ what: 'live', polls: WARMING_POLLS, from: liveBefore, to: liveAfter, max: MAX_LIVE_GROWTH_MB })
  if (before !== undefined && after !== undefined)
    growth({
      what: 'resident',
      polls: ROUNDS * POLLS,
      from: before.bytes,
      to: after.bytes,
      max: MAX_GROWTH_MB,
    })
  return { measurements: [measurement], limits, missing: [] }
}

/** Polls with each supervisor in turn. Calls `promoteOne` in between, one call at a time. */
async function poll(fleet: Fleet, count: number, promoteOne: () => Promise<void>): Promise<void> {
  let left = count
  let promoting = Promise.resolve()
  const one = async () => {
    while (left > 0) {
      left -= 1
      if (left % POLLS_PER_PROMOTION === 0) promoting = promoting.then(promoteOne)
      await pollOnce(fleet)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
  await promoting
}

/** Checks an answer: it must be the `latest` at the start of the poll, or a later one. */
async function pollOnce(fleet: Fleet): Promise<void> {
  const supervisor = fleet.next.shift() ?? fleet.supervisors[fleet.polls % fleet.supervisors.length]
  if (supervisor === undefined) throw new Error('there is no supervisor')
  fleet.polls += 1
  const { line, request } = supervisor
  const { answered } = line
  const { body } = await askClosing(fleet.port, request)
  const { ident } = JSON.parse(body.toString('utf8')) as { ident: Ident }
  if (!line.was.includes(formatIdent(ident), answered)) fleet.wrong += 1
}

/**
 * Promotes the second release of one line after another, or demotes it again. The affected supervisors poll
 * next.
 */
async function promoteNext(fleet: Fleet): Promise<void> {
  const line =
    fleet.lines[
      (Math.floor(fleet.promotions / 2) * (fleet.lines.length / VIEWS.length + LINES_APART)) %
        fleet.lines.length
    ]
  if (line === undefined) throw new Error('there is no line')
  fleet.promotions += 1
  const [first, second] = RELEASES.map((release) => identOf(line.name, release))
  if (first === undefined || second === undefined) throw new Error('there are no releases')
  const isThere = line.was.at(-1) === formatIdent(second)
  line.was.push(formatIdent(isThere ? first : second))
  await promote(fleet.port, second, line.view, isThere ? 'demote' : 'promote')
  line.answered = line.was.length - 1
  fleet.next.push(...fleet.supervisors.filter((supervisor) => supervisor.line === line))
}

/** Creates the supervisors. For each line, as many poll through its channel as through its view's URL. */
function makeFleet(port: number): Fleet {
  const lines = VIEWS.flatMap((view) =>
    Array.from({ length: PACKAGES }, (_, i) => ({
      view,
      name: nameOf(i),
      was: [formatIdent(identOf(nameOf(i), RELEASES[0]))],
      answered: 0,
    })),
  )
  const supervisors = Array.from({ length: SUPERVISORS_PER_LINE }, (_, quarter) => quarter).flatMap(
    (quarter) =>
      lines.map((line) => {
        const place =
          quarter % 2 === 0
            ? `channels/${ORIGIN}/${line.view}`
            : `views/${line.view}/depot/channels/${ORIGIN}/stable`
        const url = `/v1/depot/${place}/pkgs/${line.name}/latest?target=${TARGET}`
        return { line, url, request: getRequest(url, HAB_SUP, 'close') }
      }),
  )
  return { port, supervisors, lines, next: [], polls: 0, promotions: 0, wrong: 0 }
}

async function publishServices(port: number, folder: string): Promise<void> {
  const secretKey = await introduce(port)
  for (const view of VIEWS) await createChannel(port, view)
  for (let i = 0; i < PACKAGES; i += 1) {
    for (const release of RELEASES) {
      const { path, ident } = makeService(
        join(folder, 'service.hart'),
        identOf(nameOf(i), release),
        secretKey,
      )
      await upload(port, ident, { path, checksum: await checksumOf(path) })
    }
    for (const view of VIEWS) await promote(port, identOf(nameOf(i), RELEASES[0]), view)
  }
}

function nameOf(i: number): string {
  return `service-${String(i).padStart(2, '0')}`
}

function identOf(name: string, release: string): Ident {
  return makeIdent({ origin: ORIGIN, name, version: '1.2.0', release })
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureFleet()))
