import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { AddressPolicy } from '../../src/text/address-ranges.ts'
import { send } from '../../src/webhooks/send.ts'
import type { Receipt, SendOptions } from '../../src/webhooks/send.ts'
import { freePort } from '../support/free-port.ts'
import { ManualTimers } from '../support/webhooks/manual-timers.ts'
import { startReceiver } from '../support/webhooks/receiver.ts'
import { START } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

const LOOPBACK = new AddressPolicy(['127.0.0.0/8', '::1'])

function sending(url: string, more: Partial<SendOptions> & { signal?: AbortSignal } = {}): Promise<Receipt> {
  const { signal = new AbortController().signal, ...options } = more
  const world = {
    addressPolicy: LOOPBACK,
    lookup: noLookup,
    now: () => START,
    after: new ManualTimers().after,
    timeoutMs: 10_000,
    ...options,
  }
  return send(
    { url: new URL(url), headers: { 'content-type': 'application/json' }, body: '{}' },
    world,
    signal,
  )
}

const noLookup: SendOptions['lookup'] = (hostname, done) => done(new Error(`looked up ${hostname}`), [])

/** A resolver that returns these addresses for every name. */
function names(...addresses: string[]): SendOptions['lookup'] {
  return (_hostname, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

/** Starts a server that answers every request with these bytes, and may then close the connection. */
async function startRaw(
  t: Test,
  act: (socket: Socket) => void,
): Promise<{ url: string; connections: number }> {
  const state = { url: '', connections: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    state.connections += 1
    sockets.add(socket.on('error', () => undefined))
    socket.once('data', () => act(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return state
}

test('every 2xx is accepted, and nothing else', async (t) => {
  const receiver = await startReceiver(t)
  for (const status of [200, 201, 202, 204, 299]) {
    receiver.behave(status)
    t.match(await sending(receiver.url), { verdict: 'accepted', status })
  }
  for (const status of [400, 401, 404, 429, 500, 503, 599]) {
    receiver.behave(status)
    t.match(await sending(receiver.url), { verdict: 'failed', status, error: `answered ${status}` })
  }
  receiver.behave(410)
  t.match(await sending(receiver.url), { verdict: 'gone', status: 410 })
})

test('a redirect is a failure and is not followed', async (t) => {
  const [receiver, elsewhere] = [await startReceiver(t), await startReceiver(t)]
  for (const status of [301, 302, 303, 307, 308]) {
    receiver.behave((answer) => answer.writeHead(status, { location: elsewhere.url }).end())
    t.match(await sending(receiver.url), {
      verdict: 'failed',
      status,
      error: `answered ${status}: redirects are not followed`,
    })
  }
  t.equal(elsewhere.received.length, 0)
})

test('of a huge or endless answer a kilobyte is read, and the connection is cut', async (t) => {
  const receiver = await startReceiver(t)
  const piece = 'x'.repeat(64 * 1024)
  const cut = Promise.withResolvers<void>()
  receiver.behave((answer) => {
    const more = () => {
      while (answer.write(piece));
    }
    answer
      .writeHead(500)
      .on('drain', more)
      .on('close', () => cut.resolve())
    more()
  })
  const receipt = await sending(receiver.url)
  t.match(receipt, { verdict: 'failed', status: 500, error: 'answered 500' })
  t.equal(receipt.excerpt, 'x'.repeat(1_024))
  await cut.promise
})

test('a short answer is kept whole, with replacements for NUL and invalid UTF-8', async (t) => {
  const receiver = await startReceiver(t)
  receiver.behave((answer) => answer.writeHead(422).end(Buffer.from('no\xff\0!', 'latin1')))
  t.equal((await sending(receiver.url)).excerpt, 'no\u{fffd}\u{fffd}!')
})

for (const [name, begin] of Object.entries({
  'says nothing': '',
  'stops within the headers': 'HTTP/1.1 200 OK\r\nX-Half: ',
  'dribbles informational answers': 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n',
})) {
  test(`a receiver that ${name} fails at the timeout`, async (t) => {
    const timers = new ManualTimers()
    let isAsked = false
    const { url } = await startRaw(t, (socket) => {
      isAsked = socket.write(begin)
    })
    const receipt = sending(url, { after: timers.after })
    await until('the request arrives', () => isAsked)
    timers.advance(9_999)
    timers.advance(1)
    t.match(await receipt, { verdict: 'failed', status: undefined, error: 'not answered within 10 s' })
  })
}

test('a receiver that answers 200 and hangs in its body has accepted, and is cut off at the timeout', async (t) => {
  const timers = new ManualTimers()
  const receiver = await startReceiver(t)
  let isCut = false
  receiver.behave((answer) => {
    answer.on('close', () => {
      isCut = true
    })
    answer.writeHead(200).write('thank')
  })
  const hasHeaders = Promise.withResolvers<void>()
  const onHeaders = () => hasHeaders.resolve()
  subscribe('http.client.response.finish', onHeaders)
  const receipt = sending(receiver.url, { after: timers.after })
  await hasHeaders.promise
  unsubscribe('http.client.response.finish', onHeaders)
  timers.advance(10_000)
  t.match(await receipt, { status: 200, verdict: 'accepted', excerpt: /^(thank)?$/ })
  await until('the connection is cut', () => isCut)
})

test('a receiver that closes within its answer counts by its status', async (t) => {
  const body = await startRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'))
  t.match(await sending(body.url), { verdict: 'accepted', status: 200, excerpt: 'half' })
  const headers = await startRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-'))
  t.match(await sending(headers.url), { verdict: 'failed', status: undefined, error: /\S/ })
  const nothing = await startRaw(t, (socket) => socket.destroy())
  t.match(await sending(nothing.url), {
    verdict: 'failed',
    status: undefined,
    error: 'the connection was cut',
  })
})

test('malformed answers, endless headers and protocol switches are failures', async (t) => {
  const answers = {
    garbage: ['SSH-2.0-OpenSSH_9.6\r\n', 'the server there does not speak HTTP'],
    zero: ['\0'.repeat(100), 'the server there does not speak HTTP'],
    'no status': ['HTTP/1.1 abc\r\n\r\n', 'the server there does not speak HTTP'],
    'endless headers': [
      `HTTP/1.1 200 OK\r\n${'X-More: yes\r\n'.repeat(10_000)}\r\n`,
      'the headers of the answer are too large',
    ],
    upgrade: [
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ssh\r\n\r\n',
      /^(closed without an answer|the connection was cut)$/,
    ],
    'two lengths': [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      'the server there does not speak HTTP',
    ],
  } as const
  for (const [name, [answer, error]] of Object.entries(answers)) {
    const { url } = await startRaw(t, (socket) => socket.end(answer))
    t.match(await sending(url), { verdict: 'failed', status: undefined, error }, name)
  }
})

test('a refused connection is recorded', async (t) => {
  t.match(await sending(`http://127.0.0.1:${await freePort()}/`), {
    verdict: 'failed',
    error: 'nothing listens there',
  })
})

test('plain HTTP on an https port is a failure, and the message is not sent in the clear', async (t) => {
  const raw = await startRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
  t.match(await sending(raw.url.replace('http:', 'https:')), {
    verdict: 'failed',
    status: undefined,
    error: 'the server there does not speak TLS, or none of the versions that are allowed here',
  })
})

test('a disallowed address is never connected to, however it is written', async (t) => {
  const raw = await startRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
  const { port } = new URL(raw.url)
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.0.0.1.',
    '[::ffff:127.0.0.1]',
    '[::1]',
    '[::]',
    '0.0.0.0',
  ]) {
    t.match(
      await sending(`http://${host}:${port}/`, { addressPolicy: new AddressPolicy([]) }),
      { verdict: 'failed', error: /is not a public address, and DEPOT_WEBHOOK_NETWORKS does not allow it/ },
      host,
    )
  }
  t.equal(raw.connections, 0)
})

test('the addresses of a name are checked at the connection', async (t) => {
  const raw = await startRaw(t, (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))
  const url = raw.url.replace('127.0.0.1', 'receiver.example')
  const addressPolicy = new AddressPolicy(['127.0.0.1'])
  t.match(await sending(url, { addressPolicy, lookup: names('127.0.0.1') }), { verdict: 'accepted' })
  t.match(
    await sending(url, { addressPolicy, lookup: names('169.254.169.254', '127.0.0.1') }),
    { verdict: 'accepted' },
    'an allowed address among others',
  )
  t.equal(raw.connections, 2)
  for (const address of ['127.0.0.2', '169.254.169.254', '::ffff:127.0.0.2', '::1']) {
    t.match(await sending(url, { addressPolicy, lookup: names(address) }), {
      verdict: 'failed',
      error: `receiver.example (${address}) is not a public address, and DEPOT_WEBHOOK_NETWORKS does not allow it`,
    })
  }
  t.match(await sending(url, { addressPolicy, lookup: names() }), { verdict: 'failed', error: /no address/ })
  t.match(await sending(url, { addressPolicy }), { verdict: 'failed', error: 'looked up receiver.example' })
  const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND receiver.example'), { code: 'ENOTFOUND' })
  t.match(await sending(url, { addressPolicy, lookup: (_hostname, done) => done(unknown, []) }), {
    verdict: 'failed',
    error: 'no machine has this name',
  })
  const odd = Object.assign(new Error('uv_odd: EODD'), { code: 'EODD' })
  t.match(await sending(url, { addressPolicy, lookup: (_hostname, done) => done(odd, []) }), {
    verdict: 'failed',
    error: 'the connection failed (EODD)',
  })
  t.equal(raw.connections, 2)
})

test('a hanging lookup ends at the timeout of the attempt', async (t) => {
  const timers = new ManualTimers()
  const receipt = sending('http://receiver.example/', { after: timers.after, lookup: () => undefined })
  timers.advance(10_000)
  t.match(await receipt, { verdict: 'failed', error: 'not answered within 10 s' })
})

test('Retry-After is respected with 429 and 503, as seconds and as a date', async (t) => {
  const receiver = await startReceiver(t)
  const asked = async (status: number, header: string) => {
    receiver.behave((answer) => answer.writeHead(status, { 'retry-after': header }).end())
    return (await sending(receiver.url)).retryAfterMs
  }
  t.equal(await asked(429, '120'), 120_000)
  t.equal(await asked(503, new Date(START + 60_000).toUTCString()), 60_000)
  t.equal(await asked(503, new Date(START - 60_000).toUTCString()), 0)
  t.equal(await asked(503, 'soon'), undefined)
  t.equal(await asked(503, '-5'), undefined)
  t.equal(await asked(500, '120'), undefined)
})

test('an aborted attempt ends whatever the receiver does', async (t) => {
  const stopping = new AbortController()
  let isAsked = false
  const { url } = await startRaw(t, () => {
    isAsked = true
  })
  const receipt = sending(url, { signal: stopping.signal })
  await until('the request arrives', () => isAsked)
  stopping.abort()
  t.match(await receipt, { verdict: 'failed' })
  t.match(await sending(url, { signal: stopping.signal }), { verdict: 'failed' })
})
