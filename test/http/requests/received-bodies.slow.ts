import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { ReceivedBodies } from '../../../src/http/requests/received-bodies.ts'
import { ask } from '../../support/ask.ts'
import { ADMIN_TOKEN, startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'
import { until } from '../../support/until.ts'

// Unfinished bodies share one memory limit.

const MIB = 1024 * 1024
const HEADERS = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }

/** Sends some bytes of a body without ending it. */
async function beginBody(t: Test, { url }: TestDepot, path: string, bytes: number): Promise<Socket> {
  const client = connect(Number(new URL(url).port), '127.0.0.1')
  client.on('error', () => undefined)
  t.teardown(() => client.destroy())
  await once(client, 'connect')
  client.write(
    `POST ${path} HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: ${bytes + 1}\r\n\r\n`,
  )
  client.write(Buffer.alloc(bytes, ' '))
  return client
}

async function held({ url }: TestDepot): Promise<number> {
  return Number(/^hart_depot_received_body_bytes (\d+)$/m.exec((await ask(`${url}/metrics`)).text)?.[1])
}

test('unfinished large bodies leave room for small ones, and another large one is refused for now', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { bodyBytes: 16 * MIB } })
  const clients = [
    await beginBody(t, started, '/api/v1/views/stable/promotions', 4 * MIB),
    await beginBody(t, started, '/api/v1/views/stable/plans', 3 * MIB),
  ]
  await until('the depot holds 7 MiB of bodies', async () => (await held(started)) === 7 * MIB)
  const large = {
    method: 'POST',
    headers: HEADERS,
    body: `{"releases":[],"reason":"large"${' '.repeat(2 * MIB)}}`,
  }
  const refused = await ask(`${started.url}/api/v1/views/stable/promotions`, large)
  t.match(refused, {
    status: 503,
    headers: { 'retry-after': '5', 'content-type': 'application/problem+json' },
  })
  t.match(JSON.parse(refused.text), {
    code: 'overloaded',
    detail: 'too many bodies are being received: try again in 5 seconds',
  })
  t.equal(await held(started), 7 * MIB, 'a refused body is not held')
  t.equal(
    (
      await ask(`${started.url}/api/v1/views`, {
        method: 'POST',
        headers: HEADERS,
        body: '{"name":"made","rule":"promoted"}',
      })
    ).status,
    201,
  )
  t.equal(
    (
      await ask(`${started.url}/v1/depot/origins`, {
        method: 'POST',
        headers: HEADERS,
        body: '{"name":"acme"}',
      })
    ).status,
    201,
  )
  for (const client of clients) client.destroy()
  await until('the depot holds no bodies', async () => (await held(started)) === 0)
  t.equal(
    (await ask(`${started.url}/api/v1/views/stable/promotions`, large)).status,
    400,
    'there is room for it, and it is judged',
  )
  t.equal(await held(started), 0)
})

test('small bodies are limited, too, below both interfaces', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { bodyBytes: 1000 } })
  const body = `{"name":"acme","rule":"promoted"${' '.repeat(2_000)}}`
  t.match(await ask(`${started.url}/api/v1/views`, { method: 'POST', headers: HEADERS, body }), {
    status: 503,
    headers: { 'retry-after': '5' },
  })
  t.match(await ask(`${started.url}/v1/depot/origins`, { method: 'POST', headers: HEADERS, body }), {
    status: 503,
    headers: { 'retry-after': '5' },
  })
  t.equal(await held(started), 0)
})

test('the body of a request without a route is not read', async (t) => {
  const started = await startDepot(t, { listen: true })
  const client = await beginBody(t, started, '/nosuch', MIB / 2)
  client.setEncoding('latin1')
  const [heard] = (await once(client, 'data')) as [string]
  t.match(heard, /^HTTP\/1.1 404 /)
})

test('bytes that arrive after the answer are not counted', async (t) => {
  const started = await startDepot(t, { listen: true })
  const size = 2 * MIB
  for (const [start, status] of [
    ['POST /api/v1/views', 413],
    ['POST /api/v1/nosuch', 404],
    ['PUT /api/v1/views', 405],
    ['QUERY /api/v1/views', 405],
    ['GET /api/v1/views', 200],
  ] as const) {
    const client = connect(Number(new URL(started.url).port), '127.0.0.1')
    t.teardown(() => client.destroy())
    client.setEncoding('latin1')
    const token = status !== 413 ? '' : `Authorization: Bearer ${ADMIN_TOKEN}\r\n`
    client.write(`${start} HTTP/1.1\r\nHost: depot\r\n${token}Content-Length: ${size}\r\n\r\n`)
    const [heard] = (await once(client, 'data')) as [string]
    t.equal(Number(heard.split(' ')[1]), status, start)
    client.resume()
    const closed = once(client, 'close') // the depot closes the connection when it has read everything
    client.end(Buffer.alloc(size, ' '))
    await closed
    t.equal(await held(started), 0, start)
  }
})

test('the only large body is always accepted', async (t) => {
  const bodies = new ReceivedBodies({ maxBytes: 4 * MIB })
  const [first, second, small] = [{}, {}, {}]
  bodies.take(first, 10 * MIB)
  t.throws(() => bodies.take(second, 2 * MIB), { code: 'overloaded' })
  t.throws(() => bodies.take(small, 1), { code: 'overloaded' })
  bodies.settle(first)
  bodies.settle(first)
  t.equal(bodies.bytes, 0)
  bodies.take(second, 2 * MIB)
  bodies.take(small, MIB)
  t.equal(bodies.bytes, 3 * MIB)
})
