import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeIdent } from '../src/package/ident.ts'
import { formatResults, joinResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { makeService } from './fillings/harts.ts'
import { ask, getRequest, headerOf } from './clients/load.ts'
import { checksumOf, createChannel, introduce, ORIGIN, promote, TOKEN, upload } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { memoryOf, startServer } from './servers/process.ts'
import type { NodeProcess } from './servers/process.ts'

// Measures followers of a view, each with one open request: the memory of each, and the time until the last
// one receives a promotion. The yardstick is node:http, which holds as many responses and writes the same to
// each.

const FOLLOWERS = 10_000
const MAX_LAST_HEARD_MS = 400
const VIEW = 'production'
const NAME = 'service'
const CONNECTING_AT_ONCE = 200
/** The time in which a server reads requests that it does not answer. */
const SETTLING_MS = 1_000
const QUICK_SETTLING_MS = 100
const SPARE_FILES = 500
const KB = 1024
const IDENT = makeIdent({ origin: ORIGIN, name: NAME, version: '1.2.0', release: '20260202120000' })
const FIRST = makeIdent({ origin: ORIGIN, name: NAME, version: '1.2.0', release: '20260101120000' })

type How = 'stream' | 'poll'

/** The measurements of one server: bytes for each follower, and milliseconds. */
interface Sample {
  readonly residentBytes: number
  readonly liveBytes: number
  readonly lastHeardMs: readonly number[]
  /** The time until the change was answered, while all followers were being notified. */
  readonly answeredMs: readonly number[]
}

interface Scale {
  readonly count: number
  readonly rounds: number
  readonly settlingMs: number
}

/** A server that can be followed. */
interface Followed {
  readonly process: NodeProcess
  /** The requests of a follower: the first one, and the next ones. */
  readonly requestOf: () => Promise<Buffer>
  /** Makes a change that every follower receives. Resolves when the change is answered. */
  readonly change: () => Promise<void>
}

export async function measureFeed({ isQuick }: { isQuick: boolean }): Promise<Results> {
  const scale = isQuick
    ? { count: 1_000, rounds: 2, settlingMs: QUICK_SETTLING_MS }
    : { count: FOLLOWERS, rounds: 5, settlingMs: SETTLING_MS }
  const { count } = scale
  const files = Number(
    /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity,
  )
  if (files < count + SPARE_FILES)
    return {
      measurements: [],
      limits: [],
      missing: [`${count} who follow a view: only ${files} files may be open (ulimit -n)`],
    }
  const results: Results[] = []
  for (const how of isQuick ? (['stream'] as const) : (['stream', 'poll'] as const))
    results.push(await measure(how, scale))
  if (isQuick) results.push({ measurements: [], limits: [], missing: ['long polls: not in a quick run'] })
  return joinResults(results)
}

/** Uses new servers, because memory that earlier followers freed would be used again. */
async function measure(how: How, scale: Scale): Promise<Results> {
  const { count, rounds } = scale
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await using bare = await startServer('idle.ts', [])
  const followed = depotFollowed(depot, await publish(depot.port, scratch.path), how)
  const alone: number[] = []
  for (let round = 0; round < rounds + 1; round += 1) alone.push(await timeOf(followed.change))
  const ofDepot = await sample(how, followed, scale)
  const ofBare = await sample(how, bareFollowed(bare, how), scale)

  const lastHeard = {
    name: `the last reader of an event stream of ${count} has heard, at the latest`,
    unit: 'ms',
    value: Math.max(...ofDepot.lastHeardMs),
    max: MAX_LAST_HEARD_MS,
  }
  const what = how === 'stream' ? 'reader of an event stream' : 'long poll'
  const measurement = (
    name: string,
    unit: string,
    take: (sample: Sample) => readonly number[],
  ): Measurement => ({
    name,
    unit,
    depot: spreadOf(take(ofDepot)),
    yardstick: { name: 'bare node:http', ...spreadOf(take(ofBare)) },
  })
  return {
    measurements: [
      measurement(`resident memory of each ${what}, of ${count}`, 'KB', ({ residentBytes }) => [
        residentBytes / KB,
      ]),
      measurement(`live memory of each ${what}, of ${count}`, 'KB', ({ liveBytes }) => [liveBytes / KB]),
      measurement(
        `a promotion until the last ${what} of ${count} has heard`,
        'ms',
        ({ lastHeardMs }) => lastHeardMs,
      ),
      {
        name: `a promotion until it is answered, before ${count} are told`,
        unit: 'ms',
        depot: spreadOf(ofDepot.answeredMs),
        yardstick: { name: 'nobody follows', ...spreadOf(alone.slice(1)) },
      },
    ],
    limits: how === 'stream' ? [lastHeard] : [],
    missing: [],
  }
}

async function sample(
  how: How,
  { process, requestOf, change }: Followed,
  { count, rounds, settlingMs }: Scale,
): Promise<Sample> {
  const warming = await openCrowd(process.port, 100, how, await requestOf())
  await change()
  await warming.heard()
  warming.close()
  await pause(settlingMs)
  const before = { live: await process.liveBytes(), resident: memoryOf(process.pid)?.bytes ?? Number.NaN }
  const crowd = await openCrowd(process.port, count, how, await requestOf())
  await pause(settlingMs)
  const after = { live: await process.liveBytes(), resident: memoryOf(process.pid)?.bytes ?? Number.NaN }
  const lastHeardMs: number[] = []
  const answeredMs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const begun = performance.now()
    const heard = crowd.heard()
    answeredMs.push(await timeOf(change))
    await heard
    lastHeardMs.push(performance.now() - begun)
    if (how === 'poll') crowd.say(await requestOf())
    await pause(settlingMs)
  }
  crowd.close()
  return {
    residentBytes: (after.resident - before.resident) / count,
    liveBytes: (after.live - before.live) / count,
    lastHeardMs,
    answeredMs,
  }
}

interface Crowd {
  /** Resolves when every follower has received the next change. */
  heard(): Promise<void>
  say(bytes: Buffer): void
  close(): void
}

/**
 * Opens connections and sends a request on each. Waits for the beginning of each answer, if there is one at
 * once.
 */
async function openCrowd(port: number, count: number, how: How, bytes: Buffer): Promise<Crowd> {
  const sign = how === 'stream' ? 'event: promotion' : 'HTTP/1.1 200 '
  const sockets: Socket[] = []
  let missing = new Set<Socket>()
  let all = Promise.withResolvers<void>()
  const open = async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    sockets.push(socket)
    await once(socket, 'connect')
    socket.write(bytes)
    if (how === 'stream') await once(socket, 'data')
    socket.on('data', (piece: Buffer) => {
      if (!missing.has(socket) || !piece.includes(sign)) return
      missing.delete(socket)
      if (missing.size === 0) all.resolve()
    })
  }
  while (sockets.length < count)
    await Promise.all(Array.from({ length: Math.min(CONNECTING_AT_ONCE, count - sockets.length) }, open))
  return {
    async heard() {
      missing = new Set(sockets)
      all = Promise.withResolvers()
      return all.promise
    },
    say: (words) => sockets.forEach((socket) => socket.write(words)),
    close: () => sockets.forEach((socket) => socket.destroy()),
  }
}

/** Publishes two releases. Returns a function that changes `latest` from one to the other. */
async function publish(port: number, folder: string): Promise<() => Promise<void>> {
  const secretKey = await introduce(port)
  await createChannel(port, VIEW)
  for (const ident of [FIRST, IDENT]) {
    const { path } = makeService(join(folder, 'service.hart'), ident, secretKey)
    await upload(port, ident, { path, checksum: await checksumOf(path) })
  }
  await promote(port, FIRST, VIEW)
  let isThere = false
  return async () => {
    isThere = !isThere
    await promote(port, IDENT, VIEW, isThere ? 'promote' : 'demote')
  }
}

function depotFollowed(process: NodeProcess, change: () => Promise<void>, how: How): Followed {
  const { port } = process
  const latest = `/api/v1/views/${VIEW}/latest/${ORIGIN}/${NAME}`
  return {
    process,
    change,
    async requestOf() {
      if (how === 'stream')
        return getRequest(
          `/api/v1/events?view=${VIEW}&kind=promotion`,
          { accept: 'text/event-stream' },
          'keep-alive',
        )
      const tag = headerOf(await ask(port, getRequest(latest, {}, 'close')), 'etag') ?? ''
      return getRequest(`${latest}?wait=300`, { 'if-none-match': tag }, 'keep-alive')
    },
  }
}

function bareFollowed(process: NodeProcess, how: How): Followed {
  const event = `id: 1\nevent: promotion\ndata: ${'x'.repeat(900)}\n\n`
  return {
    process,
    requestOf: async () => getRequest(how === 'stream' ? '/stream' : '/poll', {}, 'keep-alive'),
    async change() {
      const outgoing = request({
        host: '127.0.0.1',
        port: process.port,
        method: 'POST',
        path: '/',
        headers: { connection: 'close' },
      }).end(event)
      const [response] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream]
      response.resume()
      await once(response, 'end')
    },
  }
}

async function timeOf(act: () => Promise<void>): Promise<number> {
  const begun = performance.now()
  await act()
  return performance.now() - begun
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureFeed({ isQuick: process.argv.includes('--quick') })))
