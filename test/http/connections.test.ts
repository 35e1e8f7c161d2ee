import { Agent } from 'node:http'
import type { ServerResponse } from 'node:http'
import tap, { test } from 'tap'
import { ask, converse } from '../support/ask.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { buildServer } from '../../src/http/server.ts'
import { buildHart } from '../support/build-hart.ts'
import { makeOrigin, publishAll, uploadPath } from '../support/origin.ts'
import { makeReleases } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

// Tests how long a connection remains open, and which resources an idle client can hold.

/** The depot of tests that need no limits or threads. */
const shared = await startDepot(tap, { listen: true })

test('an early answer keeps the connection, unless a body is left unread', async (t) => {
  const { url } = shared
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  for (const path of [
    '/healthz',
    '/',
    '/nothing',
    '/api/v1/nothing',
    '/v1/status',
    '/v1/depot/pkgs/acme/app/latest',
    '/v1/depot/%zz',
  ]) {
    for (const method of ['GET', 'HEAD', 'DELETE'])
      t.match(
        (await ask(url + path, { method, agent })).headers,
        { connection: 'keep-alive' },
        `${method} ${path}`,
      )
  }
  const talk = converse(url)
  await talk.say('POST /nothing HTTP/1.1\r\nHost: depot\r\nContent-Length: 10\r\n\r\n')
  t.match(await talk.hear(/\r\n\r\n$/), /^HTTP\/1\.1 404 [^]*connection: close/)
  talk.socket.destroy()
})

test('a JSON body that stalls or breaks off gets an error', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { uploadIdleMs: 30 } })
  for (const length of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const begin = `POST /api/v1/views HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n${length}\r\n\r\n${length.startsWith('T') ? '1\r\n{\r\n' : '{'}`
    const stalling = converse(started.url)
    await stalling.say(begin)
    t.match(await stalling.toTheEnd(), /^HTTP\/1\.1 408 [^]*"code":"stalled"/, length)
    const leaving = converse(started.url)
    await leaving.say(begin)
    leaving.socket.end()
    t.match(await leaving.toTheEnd(), /^HTTP\/1\.1 400 /, length)
  }
  t.notOk(
    started.logged.some((line) => line['level'] === 'error' || line['level'] === 'fatal'),
    'none is logged as an error',
  )
})

// In an earlier version, each such request ended the server if the client broke it off.
test('a body that no route reads may stall or break off', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { uploadIdleMs: 30 } })
  const unread = ['GET /api/v1/views', 'HEAD /api/v1/whoami', 'GET /api/v1/nothing', 'POST /api/v1/views']
  for (const line of unread) {
    for (const length of [
      'Content-Length: 100',
      'Content-Length: 99999999',
      'Transfer-Encoding: chunked',
      'Content-Length: 100\r\nContent-Type: none of, these',
    ]) {
      const begin = `${line} HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n${length}\r\n\r\n`
      for (const how of ['end', 'resetAndDestroy'] as const) {
        const leaving = converse(started.url)
        await leaving.say(begin)
        leaving.socket[how]()
        await leaving.toTheEnd()
      }
      const stalling = converse(started.url)
      await stalling.say(begin)
      await stalling.toTheEnd()
      t.equal((await ask(`${started.url}/healthz`)).status, 200, `${line}, ${length}`)
    }
  }
})

test('a complete request is answered before invalid bytes after it are judged', async (t) => {
  const started = shared
  await makeOrigin(started)
  const [hart] = await publishAll(started, {
    ident: 'acme/app/1.0.0/20260101120000',
    files: [{ path: 'large', content: Buffer.alloc(1024 * 1024, 'x') }],
  })
  const talk = converse(started.url)
  await talk.say(
    'GET /v1/depot/pkgs/acme/app/1.0.0/20260101120000/download HTTP/1.1\r\nHost: depot\r\n\r\nthis is none\r\n\r\n',
  )
  const [head = '', body = ''] = (await talk.toTheEnd()).split(/\r\n\r\n([^]*)/)
  t.match(head, /^HTTP\/1\.1 200 /)
  t.equal(body.slice(0, hart?.bytes.length), hart?.bytes.toString('latin1'), 'all of the package')
  t.match(body.slice(hart?.bytes.length), /^HTTP\/1\.1 400 Bad Request\r\n/, 'then the rest')

  for (const rubbish of ['this is none\r\n\r\n', '\0\0\0', 'GET / HTTP/1.1\r\nno header\r\n\r\n']) {
    const view = JSON.stringify({ name: `made-${rubbish.length}`, rule: 'promoted' })
    const change = converse(started.url)
    await change.say(
      `POST /api/v1/views HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: ${view.length}\r\n\r\n${view}${rubbish}`,
    )
    t.match(await change.toTheEnd(), /^HTTP\/1\.1 201 [^]*HTTP\/1\.1 400 /, JSON.stringify(rubbish))
  }
})

test('pipelined requests are answered one after another, wherever they are split', async (t) => {
  const started = shared
  let most = 0
  let open = 0
  started.app.server.prependListener('request', (_request, response: ServerResponse) => {
    open += 1
    most = Math.max(most, open)
    response.once('finish', () => (open -= 1))
  })
  const body = JSON.stringify({ name: 'made', rule: 'promoted' })
  const auth = `Host: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n`
  const whole = [
    `GET /healthz HTTP/1.1\r\nHost: depot\r\n\r\n`,
    `POST /api/v1/views HTTP/1.1\r\n${auth}Content-Length: ${body.length}\r\n\r\n${body}`,
    `\r\nGET /healthz HTTP/1.1\r\nHost: depot\r\n\r\n`,
    `POST /api/v1/views HTTP/1.1\r\n${auth}Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nX-Trailer: a\r\n\r\n`,
    `POST /nothing HTTP/1.1\r\nHost: depot\r\nContent-Length: 0\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nHost: depot\r\nExpect: nothing\r\n\r\n`,
    `GET /readyz HTTP/1.1\r\nHost: depot\r\nConnection: close\r\n\r\n`,
  ].join('')
  const statuses = [/200/, /201|409/, /200/, /409/, /404/, /417/, /200/]
  for (let size = 1; size <= whole.length; size += size < 40 ? 1 : 97) {
    const talk = converse(started.url)
    for (let at = 0; at < whole.length; at += size) await talk.say(whole.slice(at, at + size))
    const heard = [...(await talk.toTheEnd()).matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)
    t.match(heard, statuses, `in pieces of ${size}`)
    t.equal(heard.length, statuses.length)
  }
  t.equal(most, 1)
})

test('a client that closes its sending side after a request gets its answer', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  const ordinary = await buildServer({
    ...started.depot,
    config: { ...started.depot.config, hasFastPath: false },
  })
  t.teardown(() => ordinary.close())
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  let count = 0
  for (const url of [started.url, await ordinary.listen({ host: '127.0.0.1', port: 0 })]) {
    const auth = `Host: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n`
    const body = JSON.stringify({ name: `made-${(count += 1)}`, rule: 'promoted' })
    const requests = {
      'a change': [
        `POST /api/v1/views HTTP/1.1\r\n${auth}Content-Length: ${body.length}\r\n\r\n${body}`,
        201,
      ],
      'a read that needs a thread': [
        `GET /v1/depot/pkgs/acme/app/1.0.0/20260101120000?target=x86_64-linux HTTP/1.1\r\nHost: depot\r\n\r\n`,
        200,
      ],
      'a poll with a token that is looked up': [
        `GET /v1/depot/pkgs/acme/app/latest HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer wrong-token\r\n\r\n`,
        401,
      ],
      'a list': [`GET /v1/depot/pkgs/acme HTTP/1.1\r\nHost: depot\r\n\r\n`, 200],
      'two requests': [
        `GET /api/v1/views HTTP/1.1\r\n${auth}\r\nGET /api/v1/whoami HTTP/1.1\r\n${auth}\r\n`,
        200,
      ],
      'a request that waits': [
        `GET /api/v1/events?after=${(await findHead(started.depot.db)).sequence}&wait=60 HTTP/1.1\r\n${auth}\r\n`,
        200,
      ],
      'a stream': [`GET /api/v1/events HTTP/1.1\r\n${auth}Accept: text/event-stream\r\n\r\n`, 200],
    } as const
    for (const [what, [request, status]] of Object.entries(requests)) {
      const talk = converse(url)
      talk.socket.end(request)
      const heard = await talk.toTheEnd()
      t.match(heard, new RegExp(`^HTTP/1\\.1 ${status} `), what)
      if (what === 'two requests') t.match(heard.slice(1), /HTTP\/1\.1 200 /)
      if (what === 'a stream') t.match(heard, /\r\n0\r\n\r\n$/)
    }
  }
})

test('two Host headers get 400, on every API and on the fast path', async (t) => {
  const { url } = shared
  for (const path of [
    '/healthz',
    '/api/v1/views',
    '/v1/depot/pkgs/acme',
    '/v1/depot/pkgs/acme/app/latest',
    '/nothing',
  ]) {
    for (const [first, second] of [
      ['depot', 'depot'],
      ['depot', 'other'],
    ]) {
      const talk = converse(url)
      await talk.say(`GET ${path} HTTP/1.1\r\nHost: ${first}\r\nhost: ${second}\r\nConnection: close\r\n\r\n`)
      t.match(await talk.toTheEnd(), /^HTTP\/1\.1 400 /, path)
    }
  }
})

test('/api answers 405 to wrong methods and lists the allowed ones', async (t) => {
  const { url } = shared
  const allowed = {
    '/api/v1/views': 'GET, HEAD, POST',
    '/api/v1/views/': 'GET, HEAD, POST',
    '/api/v1/views/prod/history?x=1': 'GET, HEAD',
    '/api/v1/events': 'GET, HEAD',
    '/api/v1/whoami': 'GET, HEAD',
  }
  for (const [path, methods] of Object.entries(allowed)) {
    for (const method of ['PATCH', 'OPTIONS', 'PROPFIND', 'TRACE']) {
      const answer = await ask(url + path, { method, ...(method === 'PATCH' && { body: '{}' }) })
      t.match(
        answer,
        { status: 405, headers: { allow: methods, 'content-type': 'application/problem+json' } },
        `${method} ${path}`,
      )
      t.match(JSON.parse(answer.text), { code: 'method_not_allowed' })
    }
  }
  for (const path of [
    '/api/v1/nothing',
    '/api/v1/views/a/b/c/d/e',
    '/v1/depot/views',
    '/v1/depot/pkgs/acme/app/latest',
  ]) {
    t.match(await ask(url + path, { method: 'PATCH' }), { status: 404 }, path)
  }
})

test('a head or a body that arrives too slowly gets 408', async (t) => {
  const started = await startDepot(t, {
    listen: true,
    limits: { bodyGraceMs: 30, minBodyBytesPerSecond: 1_000_000, headMs: 60 },
  })
  await makeOrigin(started)
  const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
  const form = '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
  const bodies: readonly [line: string, headers: string, begin: string][] = [
    [`POST ${uploadPath(hart)}`, 'Content-Length: 1000', hart.bytes.toString('latin1').slice(0, 10)],
    [`POST ${uploadPath(hart)}`, 'Transfer-Encoding: chunked', '2\r\nHA\r\n'],
    [
      `POST ${uploadPath(hart)}`,
      'Content-Length: 1000\r\nContent-Type: multipart/form-data; boundary=x',
      '--x\r\n',
    ],
    [
      `POST ${uploadPath(hart)}`,
      'Content-Length: 1000\r\nContent-Type: multipart/form-data; boundary=x',
      `${form}HART-1`,
    ],
    ['POST /v1/depot/origins', 'Content-Length: 1000', '{'],
    ['POST /v1/depot/origins/acme/keys/20260101120000', 'Content-Length: 1000', 'SIG-PUB-1'],
    ['POST /v1/depot/origins/acme/secret_keys/20260101120000', 'Content-Length: 1000', 'SIG-SEC-1'],
    ['POST /v1/depot/origins/acme/secret', 'Content-Length: 1000', '{'],
    ['POST /api/v1/views', 'Content-Length: 1000', '{'],
    ['PUT /api/v1/views/stable/freeze', 'Transfer-Encoding: chunked', '1\r\n{\r\n'],
  ]
  for (const [line, headers, begin] of bodies) {
    const talk = converse(started.url)
    await talk.say(
      `${line} HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n${headers}\r\n\r\n${begin}`,
    )
    t.match(await talk.toTheEnd(), /^HTTP\/1\.1 408 /, `${line}, ${headers}`)
  }
  for (const begin of [
    'G',
    'GET /v1/depot/pkgs/acme/app/latest HTTP/1.1\r\nHost: depot\r\n',
    'POST /v1/depot/origins HTTP/1.1\r\nHost:',
  ]) {
    const talk = converse(started.url)
    await talk.say(begin)
    t.match(await talk.toTheEnd(), /^HTTP\/1\.1 408 /, begin)
  }
})
