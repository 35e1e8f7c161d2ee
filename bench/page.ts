import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startBrowser } from '../test/support/browser/browser.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { ask, getRequest, pollKeepingAlive } from './clients/load.ts'
import { fill, identOf, packageOf, viewOf } from './fillings/million-rows.ts'
import { TARGET, TOKEN } from './clients/publisher.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'
import type { NodeProcess } from './servers/process.ts'

// Measures the page for browsers in a depot with 10,000 packages in each of five views: what its pages cost, and
// what polls cost while 20 browsers follow.

const SIZE = { releases: 20_000, packages: 10_000, origins: 1, views: 5 }
const BROWSERS = 20
const POLLS_OF_A_PROMOTION = 60_000
const ROWS_ARE_KEPT_MS = 1_500
const THROTTLING = 4
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
      pathOf: (nth) =>
        `/?views=${VIEWS}&after=${encodeURIComponent(`${packageOf(nth, SIZE.origins)} ${TARGET}`)}`,
      lists,
    }),
    await measureHtml(depot, rounds, {
      name: 'view, 200 of 10,000 packages',
      pathOf: () => `/views/${viewOf(0)}`,
      lists: [lists[0] ?? ''],
    }),
  ]
  await pause(ROWS_ARE_KEPT_MS)
  const loaded = await depot.liveBytes()
  const polls = await measurePolls(depot, isQuick ? 2 : rounds)
  const all = `/?all=1&views=${VIEWS}`
  await costOf(depot, [all])
  const files = await filesOfFirstView(depot)
  const view = await openInBrowser(depot, rounds)
  return {
    measurements: [...html, polls],
    limits: [
      {
        name: 'first view: HTML, style and script, compressed',
        unit: 'KiB',
        value: await sumKiB(depot, files),
        max: 100,
      },
      {
        name: 'the HTML of it, compressed',
        unit: 'KiB',
        value: await sizeKiB(depot, files[0] ?? ''),
        max: 50,
      },
      ...('missing' in view
        ? []
        : [
            {
              name: 'requests of Chromium until it is loaded',
              unit: 'requests',
              value: view.requests,
              max: 4,
            },
            {
              name: `interactive in Chromium with the processor slowed down ${THROTTLING} times`,
              unit: 'ms',
              value: view.interactiveMs,
              max: 1_000,
            },
          ]),
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
    missing: 'missing' in view ? [view.missing] : [],
  }
}

async function measureHtml(
  depot: NodeProcess,
  rounds: number,
  { name, pathOf, lists }: { name: string; pathOf: (nth: number) => string; lists: readonly string[] },
): Promise<Measurement> {
  let nth = 0 // rows that were just written would be written again
  const sides = {
    depot: () => costOf(depot, [pathOf((nth += 1))]),
    yardstick: () => costOf(depot, lists),
  }
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

/** Returns the paths of all that a browser without a cache gets for its first page. */
async function filesOfFirstView({ port }: NodeProcess): Promise<string[]> {
  const path = `/?views=${VIEWS}`
  const { body } = await ask(port, getRequest(path, { accept: 'text/html' }, 'keep-alive'))
  const files = [...body.toString().matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)]
  return [path, ...files.map(([, file = '']) => file)]
}

async function sumKiB(depot: NodeProcess, paths: readonly string[]): Promise<number> {
  const sizes = await Promise.all(paths.map((path) => sizeKiB(depot, path)))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/**
 * Opens the pipeline in new windows of Chromium with a slow processor. The page is interactive once its script
 * has run and its content is painted, counted from the beginning of the navigation.
 */
async function openInBrowser(
  { port }: NodeProcess,
  times: number,
): Promise<{ requests: number; interactiveMs: number } | { missing: string }> {
  const closing: (() => Promise<void>)[] = []
  try {
    const browser = await startBrowser({ teardown: (close) => closing.push(close) })
    const samples: number[] = []
    let requests = 0
    for (let time = 0; time < times; time += 1) {
      const window = await browser.newContext()
      const page = await window.newPage()
      const devTools = await window.newCDPSession(page)
      await devTools.send('Emulation.setCPUThrottlingRate', { rate: THROTTLING })
      requests = 0
      page.on('request', (request) => (requests += request.url().endsWith('/live') ? 0 : 1))
      await page.goto(`http://127.0.0.1:${port}/?views=${VIEWS}`, { waitUntil: 'load' })
      await page.waitForFunction(`performance.getEntriesByName('first-contentful-paint').length > 0`)
      samples.push(await page.evaluate<number>(INTERACTIVE_MS))
      await window.close()
    }
    return { requests, interactiveMs: spreadOf(samples).median }
  } catch (error) {
    return { missing: `the page in Chromium: ${(error as Error).message}` }
  } finally {
    for (const close of closing) await close()
  }
}

const INTERACTIVE_MS = `Math.max(
  performance.getEntriesByName('first-contentful-paint')[0].startTime,
  performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd)`

function requestOf(path: string): Buffer {
  return getRequest(path, path.startsWith('/api/') ? {} : BROWSER, 'keep-alive')
}

/**
 * Measures what a poll costs with one promotion for each 60,000 polls, as when 60,000 hosts poll each minute.
 * Browsers look on, and read the pipeline again after the promotion, or there is none.
 */
async function measurePolls(depot: NodeProcess, rounds: number): Promise<Measurement> {
  const request = getRequest(POLL, {}, 'keep-alive')
  const { firstLine, sizeBytes } = await ask(depot.port, request)
  const poll = { request, firstLine, answerBytes: sizeBytes }
  let promotions = 0
  const cost = async (browsers: readonly Browser[]) => {
    const before = await depot.cpuMs()
    await Promise.all([
      pollKeepingAlive(depot.port, [poll], POLLS_OF_A_PROMOTION),
      promote(depot, (promotions += 1)),
      ...browsers.map(({ refreshed }) => refreshed),
    ])
    return (((await depot.cpuMs()) - before) * 1_000) / POLLS_OF_A_PROMOTION
  }
  const sides = {
    depot: async () => {
      const browsers = await openBrowsers(depot, BROWSERS)
      try {
        return await cost(browsers)
      } finally {
        for (const { socket } of browsers) socket.destroy()
      }
    },
    yardstick: async () => cost([]),
  }
  await byTurns(1, sides)
  const samples = await byTurns(rounds, sides)
  return {
    name: 'poll while 20 browsers show the pipeline, and one promotion for 60,000 polls',
    unit: 'processor µs',
    depot: spreadOf(samples.depot),
    yardstick: { name: 'no browser', ...spreadOf(samples.yardstick) },
    goal: 1.2,
  }
}

/** Promotes one of two releases of a package into a view, in turns. It is not the package that is polled. */
async function promote({ port }: NodeProcess, nth: number): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/views/${viewOf(1)}/promotions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ releases: [{ ident: identOf(1, nth % 2, SIZE.origins), target: TARGET }] }),
  })
  const { changed } = (await answer.json()) as { changed?: boolean }
  if (!answer.ok || changed === false) throw new Error(`the promotion failed: ${answer.status}`)
}

/** A page that follows the depot. */
interface Browser {
  readonly socket: Socket
  /** Resolves once it has read its page again after a commit. */
  readonly refreshed: Promise<void>
}

async function openBrowsers(depot: NodeProcess, count: number): Promise<Browser[]> {
  const sockets = await follow(depot, count)
  return sockets.map((socket) => ({
    socket,
    refreshed: refreshOnce(depot, socket),
  }))
}

async function refreshOnce({ port }: NodeProcess, socket: Socket): Promise<void> {
  await once(socket, 'data')
  await ask(port, requestOf(`/?views=${VIEWS}`))
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
