import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { ask, getRequest, pollKeepingAlive } from './clients/load.ts'
import { fill, packageOf, viewOf } from './fillings/million-rows.ts'
import { TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { NodeProcess } from './servers/process.ts'

// Measures the page for browsers in a depot with 10,000 packages in each of five views: what its pages cost, and
// what polls cost while 20 browsers follow.

const SIZE = { releases: 20_000, packages: 10_000, origins: 1, views: 5 }
const BROWSERS = 20
const BROWSER = { accept: 'text/html', 'accept-encoding': 'gzip' }
const VIEWS = Array.from({ length: SIZE.views }, (_, n) => viewOf(n)).join(',')
const POLL = `/v1/depot/views/${viewOf(0)}/pkgs/${packageOf(0, SIZE.origins)}/latest`

export async function measurePage({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  const data = join(scratch.path, 'data')
  await fill(data, SIZE)
  await using depot = await startServer('depot.ts', [data, TOKEN])
  const rounds = isQuick ? 3 : 11
  const lists = Array.from({ length: SIZE.views }, (_, n) => `/api/v1/views/${viewOf(n)}/content?limit=100`)
  await costOf(depot, lists) // so that only the page is new
  const before = await depot.liveBytes()
  const html = [
    await measureHtml(depot, rounds, {
      name: 'pipeline, 100 of 10,000 packages in 5 views',
      path: `/?views=${VIEWS}`,
      lists,
    }),
    await measureHtml(depot, rounds, {
      name: 'view, 200 of 10,000 packages',
      path: `/views/${viewOf(0)}`,
      lists: [lists[0] ?? ''],
    }),
  ]
  const loaded = await depot.liveBytes()
  const polls = await measurePolls(depot, rounds, isQuick ? 5_000 : 20_000)
  const all = `/?all=1&views=${VIEWS}`
  await costOf(depot, [all])
  return {
    measurements: [...html, polls],
    limits: [
      {
        name: 'first view: HTML, style and script, compressed',
        unit: 'KiB',
        value: await firstViewKiB(depot),
        max: 100,
      },
      {
        name: 'pipeline, all 10,000 packages in 5 views',
        unit: 'processor ms',
        value: await costOf(depot, [all]),
        max: 3_000,
      },
      { name: 'the same, compressed', unit: 'KiB', value: await sizeKiB(depot, all), max: 2_048 },
      {
        name: 'memory of the page once it is loaded',
        unit: 'MiB',
        value: (loaded - before) / 1024 ** 2,
        max: 16,
      },
      {
        name: 'memory for each page that follows',
        unit: 'KiB',
        value: (await bytesPerFollower(depot)) / 1024,
        max: 64,
      },
    ],
    missing: [],
  }
}

async function measureHtml(
  depot: NodeProcess,
  rounds: number,
  { name, path, lists }: { name: string; path: string; lists: readonly string[] },
): Promise<Measurement> {
  const sides = { depot: () => costOf(depot, [path]), yardstick: () => costOf(depot, lists) }
  await byTurns(1, sides)
  const samples = await byTurns(rounds, sides)
  return {
    name,
    unit: 'processor ms',
    depot: spreadOf(samples.depot),
    yardstick: { name: 'the same rows from the API, as JSON', ...spreadOf(samples.yardstick) },
    goal: 8,
  }
}

/** Returns the processor time of requests, in milliseconds. */
async function costOf(depot: NodeProcess, paths: readonly string[]): Promise<number> {
  const before = await depot.cpuMs()
  for (const path of paths) await ask(depot.port, requestOf(path))
  return (await depot.cpuMs()) - before
}

async function sizeKiB({ port }: NodeProcess, path: string): Promise<number> {
  return (await ask(port, requestOf(path))).sizeBytes / 1024
}

/** Returns the size of all that a browser without a cache gets for its first page. */
async function firstViewKiB(depot: NodeProcess): Promise<number> {
  const path = `/?views=${VIEWS}`
  const { body } = await ask(depot.port, getRequest(path, { accept: 'text/html' }, 'keep-alive'))
  const files = [...body.toString().matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(
    ([, file = '']) => file,
  )
  const sizes = await Promise.all([path, ...files].map((each) => sizeKiB(depot, each)))
  return sizes.reduce((sum, size) => sum + size, 0)
}

function requestOf(path: string): Buffer {
  return getRequest(path, path.startsWith('/api/') ? {} : BROWSER, 'keep-alive')
}

/** Measures what a poll costs while browsers follow, and while none does. */
async function measurePolls(depot: NodeProcess, rounds: number, count: number): Promise<Measurement> {
  const request = getRequest(POLL, {}, 'keep-alive')
  const { firstLine, sizeBytes } = await ask(depot.port, request)
  const poll = { request, firstLine, answerBytes: sizeBytes }
  const cost = async () => {
    const before = await depot.cpuMs()
    await pollKeepingAlive(depot.port, [poll], count)
    return (((await depot.cpuMs()) - before) * 1_000) / count
  }
  const sides = {
    depot: async () => {
      const browsers = await follow(depot, BROWSERS)
      try {
        return await cost()
      } finally {
        for (const browser of browsers) browser.destroy()
      }
    },
    yardstick: cost,
  }
  await byTurns(1, sides)
  const samples = await byTurns(rounds, sides)
  return {
    name: 'poll while 20 browsers follow',
    unit: 'processor µs',
    depot: spreadOf(samples.depot),
    yardstick: { name: 'no browser follows', ...spreadOf(samples.yardstick) },
    goal: 1.2,
  }
}

/** Measures the bytes that each page which follows keeps in use. */
async function bytesPerFollower(depot: NodeProcess): Promise<number> {
  const count = 200
  const earlier = await follow(depot, count) // so that only the second half is new
  for (let settled = 0; settled < 3; settled += 1) await depot.liveBytes()
  const before = await depot.liveBytes()
  const browsers = await follow(depot, count)
  const bytes = (await depot.liveBytes()) - before
  for (const browser of [...earlier, ...browsers]) browser.destroy()
  return bytes / count
}

async function follow({ port }: NodeProcess, count: number): Promise<Socket[]> {
  const request = getRequest('/live', { accept: 'text/event-stream' }, 'keep-alive')
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.write(request)
      await once(socket, 'data')
      return socket
    }),
  )
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measurePage({ isQuick: process.argv.includes('--quick') })))
