import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { finished } from 'node:stream/promises'
import { test } from 'tap'
import { DepotClient } from '../../src/client/client.ts'
import type { ClientOptions, Event } from '../../src/client/client.ts'
import { parseDepotUrl } from '../../src/client/depot-url.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { ADMIN_TOKEN, furnished } from '../support/start-depot.ts'
import type { startDepot } from '../support/start-depot.ts'

const RELEASES = ['1.0.0', '1.1.0', '1.2.0'].map((version) => `acme/app/${version}/20260101000000`)
const noPause = async () => undefined

type Handler = (request: IncomingMessage, response: ServerResponse) => void

interface Teardown {
  teardown(fn: () => unknown): unknown
}

async function listen(t: Teardown, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/**
 * A server that answers with each of the handlers once, in order, and forwards all later requests to the
 * depot.
 */
async function withFaults(t: Teardown, depotUrl: string, faults: Handler[]) {
  const seen: IncomingMessage[] = []
  const target = new URL(depotUrl)
  const server = createServer((request, response) => {
    seen.push(request)
    const fault = faults.shift()
    if (fault !== undefined) return fault(request, response)
    const head = Object.entries({ ...request.headers, connection: 'close' })
    const upstream = connect(Number(target.port), target.hostname)
    upstream.write(
      `${request.method} ${request.url} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${String(value)}\r\n`).join('')}\r\n`,
    )
    request.pipe(upstream, { end: false })
    if (response.socket !== null) upstream.pipe(response.socket)
  })
  return { url: await listen(t, server), seen }
}

const answer =
  (status: number, headers: Record<string, string> = {}): Handler =>
  (request, response) => {
    request.resume()
    request.once('end', () => response.writeHead(status, { connection: 'close', ...headers }).end())
  }
const cut: Handler = (request) => request.socket.destroy()

const startWithReleases = furnished(async (started) => {
  await makeOrigin(started)
  await publishAll(started, ...RELEASES)
})

async function startFilled(t: Parameters<typeof startDepot>[0]) {
  const { started } = await startWithReleases(t)
  const client = (options: Partial<ClientOptions> = {}) => {
    const made = new DepotClient({ url: started.url, token: ADMIN_TOKEN, pause: noPause, ...options })
    t.teardown(async () => made.close())
    return made
  }
  return { started, client }
}

test('operations have their names, types and errors', async (t) => {
  const { client } = await startFilled(t)
  const depot = client()
  t.match(await depot.whoAmI(), { account: 'admin' })
  const promotion = await depot.promote({ view: 'union', body: { releases: RELEASES.slice(0, 1) } })
  t.match(promotion, { revision: 1, changed: true })
  t.match(await depot.getView({ view: 'union' }), { revision: 1, packages: 1 })
  await t.rejects(depot.getView({ view: 'unoin' }), { name: 'RequestRefused', status: 404 })
  await t.rejects(
    depot.promote({ view: 'union', body: { releases: RELEASES.slice(1), expect_revision: 0 } }),
    { status: 412, code: 'stale_revision' },
  )
  await t.rejects(client({ token: 'hart_wrong' }).whoAmI(), { status: 401, code: 'unauthenticated' })
  await t.rejects(depot.getView({ view: '..' }), RangeError)
})

test('a list is read page by page, with its filters', async (t) => {
  const { client } = await startFilled(t)
  const depot = client()
  const members: string[] = []
  for await (const { ident } of depot.each('listMembers', { view: 'unstable', limit: 1, origin: 'acme' }))
    members.push(ident)
  t.strictSame(members.toSorted(), RELEASES)
})

test('requests are repeated where that has no second effect, with the same idempotency key', async (t) => {
  const { started, client } = await startFilled(t)
  const faults = [cut, answer(503, { 'retry-after': '1' }), answer(502)]
  const { url, seen } = await withFaults(t, started.url, faults)
  const pauses: number[] = []
  const depot = client({ url, pause: async (ms) => void pauses.push(ms) })
  t.match(await depot.promote({ view: 'union', body: { releases: RELEASES.slice(0, 1) } }), { revision: 1 })
  t.equal(seen.length, 4)
  t.equal(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size, 1)
  t.equal(pauses[1], 1_000, 'Retry-After is honoured')
})

test('a depot that was moved is not asked again, and one that is being moved is', async (t) => {
  const { started, client } = await startFilled(t)
  const moving = JSON.stringify({ code: 'moving', detail: 'the depot accepts no changes' })
  const refuse = (headers: Record<string, string>): Handler => {
    return (request, response) => {
      request.resume()
      request.once('end', () => response.writeHead(503, { connection: 'close', ...headers }).end(moving))
    }
  }
  const { url, seen } = await withFaults(t, started.url, [refuse({ 'retry-after': '60' }), refuse({})])
  const causes: unknown[] = []
  const depot = client({ url, pause: async (_ms, _signal, error) => void causes.push(error) })
  await t.rejects(depot.createView({ body: { name: 'canary' } }), { code: 'moving' })
  t.equal(seen.length, 2)
  t.match(causes, [{ code: 'moving', retryAfterSeconds: 60 }])
})

test('a change that takes no key is repeated only if the depot did nothing', async (t) => {
  const { started, client } = await startFilled(t)
  const { url, seen } = await withFaults(t, started.url, [answer(503), cut, cut])
  const depot = client({ url })
  await t.rejects(depot.leaveOrigin({ origin: 'acme' }), { name: 'Unreachable', reason: 'cut' })
  t.equal(seen.length, 2)
  t.match(await depot.createView({ body: { name: 'canary' } }), { name: 'canary' }, 'takes a key')
  t.equal(seen.length, 4)
})

test('repetition ends, and an unreachable depot is named with its reason', async (t) => {
  const { started, client } = await startFilled(t)
  const { url, seen } = await withFaults(t, started.url, Array<Handler>(9).fill(cut))
  await t.rejects(client({ url, retries: 2 }).whoAmI(), { name: 'Unreachable', reason: 'cut' })
  t.equal(seen.length, 3)
  const closed = createServer()
  const gone = await listen(t, closed)
  closed.close()
  await t.rejects(client({ url: gone, retries: 1 }).whoAmI(), {
    reason: 'refused',
    message: /nothing listens/,
  })
})

const cutWithin: Handler = (_, response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"account":')
  setTimeout(() => response.destroy(), 20)
}
const resetWithin: Handler = (request, response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"account":')
  setTimeout(() => request.socket.resetAndDestroy(), 20)
}
const stallWithin: Handler = (_, response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"account":')
}

test('a request is repeated whose answer breaks off or stalls', async (t) => {
  const { started, client } = await startFilled(t)
  const { url, seen } = await withFaults(t, started.url, [cutWithin, resetWithin, stallWithin])
  t.match(await client({ url, idleMs: 300 }).whoAmI(), { account: 'admin' })
  t.ok(seen.length >= 4, 'a busy machine may stall once more')
  const broken = await withFaults(t, started.url, [resetWithin, stallWithin])
  const depot = client({ url: broken.url, idleMs: 300, retries: 0 })
  await t.rejects(depot.whoAmI(), { name: 'Unreachable', reason: 'cut' })
  await t.rejects(depot.whoAmI(), { name: 'Unreachable', reason: 'timeout' })
})

test('a body that breaks off while the caller reads it is an error of the body alone', async (t) => {
  const { started, client } = await startFilled(t)
  const { url } = await withFaults(t, started.url, [cutWithin, resetWithin, stallWithin])
  const depot = client({ url, idleMs: 300 })
  for (let nth = 0; nth < 3; nth += 1) {
    const { body } = await depot.read('/')
    await t.rejects(finished(body.resume()))
  }
  t.equal((await depot.read('/healthz')).status, 200)
  const metrics = await withFaults(t, started.url, [resetWithin])
  await t.rejects(client({ url: metrics.url }).readMetrics(), { name: 'Unreachable', reason: 'cut' })
})

test('another server is told from a depot', async (t) => {
  const { started, client } = await startFilled(t)
  const { url, seen } = await withFaults(t, started.url, [
    answer(404),
    answer(302, { location: 'http://elsewhere.example/' }),
    (_, response) => response.writeHead(200, { connection: 'close' }).end('<html>'),
  ])
  for (const message of [/answered 404/, /points to http:\/\/elsewhere.example/, /did not answer with JSON/])
    await t.rejects(client({ url }).whoAmI(), { name: 'NotADepot', message })
  t.equal(seen.length, 3, 'no redirect is followed with the token')
  const below = await withFaults(t, started.url, [answer(404)])
  await t.rejects(client({ url: `${below.url}/bldr/v1` }).whoAmI(), {
    message: `${below.url}/bldr/api/v1/`,
  })
})

test('the feed goes on after broken connections without gap or repetition', async (t) => {
  const { started, client } = await startFilled(t)
  const direct = client()
  const { position } = await direct.getLedgerHead()
  const faults: Handler[] = []
  const { url } = await withFaults(t, started.url, faults)
  const troubles: string[] = []
  const feed = client({ url, retries: 0 }).follow({
    after: position,
    view: 'union',
    onTrouble: ({ name }) => troubles.push(name),
  })
  const next = async () => ((await feed.next()).value as Event).sequence
  const sequences: number[] = []
  for (const release of RELEASES) {
    await direct.promote({ view: 'union', body: { releases: [release] } })
    faults.push(cut, answer(503), cutWithin, resetWithin)
    sequences.push(await next())
  }
  const { events } = await direct.listEvents({ after: position, view: 'union' })
  t.strictSame(
    sequences,
    events.map(({ sequence }) => sequence),
  )
  t.same(troubles.length, 12)
})

test('the feed ends with its signal, and with errors that waiting cannot cure', async (t) => {
  const { client } = await startFilled(t)
  const controller = new AbortController()
  const feed = client().follow({ signal: controller.signal })
  const waiting = feed.next()
  controller.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await t.rejects(client({ token: 'hart_wrong' }).follow().next(), { code: 'unauthenticated' })
  await t.rejects(
    client()
      .follow({ after: `1-${'0'.repeat(16)}` })
      .next(),
    { code: 'other_history' },
  )
})

test('the URL of a depot may be that of an API or of a view', async (t) => {
  const accepted: [string, string, string | undefined][] = [
    ['http://depot.example:9636', 'http://depot.example:9636', undefined],
    ['depot.example:9636/', 'http://depot.example:9636', undefined],
    ['https://example.com/depot/v1', 'https://example.com/depot', undefined],
    ['https://example.com/api/v1/', 'https://example.com', undefined],
    ['http://depot/v1/depot/views/union', 'http://depot', 'union'],
    ['http://depot/bldr/v1/depot/views/app.default%40acme/', 'http://depot/bldr', 'app.default@acme'],
  ]
  for (const [url, base, view] of accepted) t.strictSame(parseDepotUrl(url), { base, view })
  for (const refused of [
    '',
    'ftp://depot',
    'http://',
    'http://user:secret@depot',
    'http://depot/v1/depot/views/%zz',
  ])
    t.throws(() => parseDepotUrl(refused), RangeError, refused)
})
