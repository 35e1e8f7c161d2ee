import { Agent } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { ask, converse } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { openBlobs } from '../support/open-blobs.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

// How long a connection lasts, and what a client that does nothing can hold.

test('an answer that comes at once keeps its connection, and one that leaves a body unread does not', async (t) => {
  const { url } = await startDepot(t, { listen: true })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  for (const path of ['/healthz', '/', '/nothing', '/api/v1/nothing', '/v1/status', '/v1/depot/pkgs/acme/app/latest', '/v1/depot/%zz']) {
    for (const method of ['GET', 'HEAD', 'DELETE']) t.match((await ask(url + path, { method, agent })).headers, { connection: 'keep-alive' }, `${method} ${path}`)
  }
  const talk = converse(url)
  await talk.say('POST /nothing HTTP/1.1\r\nHost: depot\r\nContent-Length: 10\r\n\r\n')
  t.match(await talk.hear(/\r\n\r\n$/), /^HTTP\/1\.1 404 [^]*connection: close/)
  talk.socket.destroy()
})

test('a body of JSON that stalls or breaks off is told so', async (t) => {
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
  t.notOk(started.logged.some((line) => Number(line['level']) >= 50), 'none of it is an error of ours')
})

// Each such request once ended the server, for anyone who knew to break it off.
test('a body that no route reads may break off or stall', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { uploadIdleMs: 30 } })
  const unread = ['GET /api/v1/views', 'HEAD /api/v1/whoami', 'GET /api/v1/nothing', 'POST /api/v1/views']
  for (const line of unread) {
    for (const length of ['Content-Length: 100', 'Content-Length: 99999999', 'Transfer-Encoding: chunked', 'Content-Length: 100\r\nContent-Type: none of, these']) {
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

test('a client that takes nothing of its answer is cut off, and one that takes it slowly is not', async (t) => {
  const file = { ident: 'acme/app/1.0.0/20260101120000', files: [{ path: 'large', content: Buffer.alloc(32 * 1024 * 1024, 'x') }] }
  const started = await startDepot(t, { listen: true, limits: { unreadMs: 200 } })
  await makeOrigin(started)
  await publishAll(started, file)
  const question = 'GET /v1/depot/pkgs/acme/app/1.0.0/20260101120000/download HTTP/1.1\r\nHost: depot\r\nConnection: close\r\n\r\n'

  const idle = converse(started.url)
  idle.socket.pause()
  await idle.say(question)
  await until(async () => (await openBlobs(started.folder)) === 1)
  await until(async () => (await openBlobs(started.folder)) === 0)
  idle.socket.destroy()

  const slow = converse(started.url)
  slow.socket.removeAllListeners('data').pause()
  await slow.say(question)
  let received = 0
  for await (const piece of slow.socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (received === 0) await setTimeout(150)
    received += piece.length
    if (Math.floor(received / 2 ** 22) !== Math.floor((received - piece.length) / 2 ** 22)) await setTimeout(60)
  }
  t.ok(received > buildHart(file).bytes.length, 'all of it, and its head')
})

test('what is no HTTP cuts off the answer before it, and is not answered in the middle of that', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, { ident: 'acme/app/1.0.0/20260101120000', files: [{ path: 'large', content: Buffer.alloc(32 * 1024 * 1024, 'x') }] })
  const talk = converse(started.url)
  await talk.say('GET /v1/depot/pkgs/acme/app/1.0.0/20260101120000/download HTTP/1.1\r\nHost: depot\r\n\r\n')
  await talk.hear(/\r\n\r\n/)
  talk.socket.pause()
  await talk.say('this is none\r\n\r\n')
  await until(async () => (await openBlobs(started.folder)) === 0)
  talk.socket.resume()
  const heard = await talk.toTheEnd()
  t.match(heard, /^HTTP\/1\.1 200 /)
  t.notMatch(heard.slice(1), 'HTTP/1.1 ')
})
