import { once } from 'node:events'
import { statSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { ask } from '../../support/ask.ts'
import { makeOrigin, publishAll } from '../../support/origin.ts'
import { ADMIN_TOKEN, startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'
import { until } from '../../support/until.ts'

// Answers to clients that do not read share one memory limit for the whole depot.

const DOCUMENT = 'GET /openapi.yaml HTTP/1.1\r\nHost: depot\r\n\r\n'
const DOCUMENT_BYTES = statSync(new URL('../../../openapi.yaml', import.meta.url)).size

/**
 * Sends requests until the kernel accepts no more of the answers and one is left in the memory of the depot.
 */
async function leaveUnread(t: Test, { app, url }: TestDepot, question: string): Promise<Socket> {
  const taken = once(app.server, 'connection') as Promise<[Socket]>
  const client = connect(Number(new URL(url).port), '127.0.0.1').pause()
  client.on('error', () => undefined)
  t.teardown(() => client.destroy())
  client.write(question.repeat(200))
  const [socket] = await taken
  let before = -1
  let since = 0
  await until('the socket is stuck or destroyed', () => {
    since = socket.bytesWritten === before && socket.writableLength > 0 ? since + 1 : 0
    before = socket.bytesWritten
    return since > 200 || socket.destroyed
  })
  return client
}

async function pendingBytes({ url }: TestDepot): Promise<number> {
  return Number(/^hart_depot_pending_answer_bytes (\d+)$/m.exec((await ask(`${url}/metrics`)).text)?.[1])
}

async function startWithRelease(t: Test, limits: { pendingBytes: number }): Promise<TestDepot> {
  const started = await startDepot(t, { listen: true, limits })
  await makeOrigin(started)
  await publishAll(started, {
    ident: 'acme/app/1.0.0/20260101120000',
    config: 'x'.repeat(10_000),
    files: [{ path: 'large', content: Buffer.alloc(2 * 1024 * 1024, 'x') }],
  })
  return started
}

const POLL = '/v1/depot/pkgs/acme/app/latest'
const DOWNLOAD = '/v1/depot/pkgs/acme/app/1.0.0/20260101120000/download'

test('unread answers leave room for polls, changes and metrics, and none for other answers', async (t) => {
  const started = await startWithRelease(t, { pendingBytes: DOCUMENT_BYTES * 2.5 })
  const clients = [await leaveUnread(t, started, DOCUMENT), await leaveUnread(t, started, DOCUMENT)]
  t.match(await ask(`${started.url}/openapi.yaml`), {
    status: 503,
    headers: { 'retry-after': '5', 'content-type': 'application/problem+json' },
  })
  for (const headers of [{}, { te: 'trailers' }])
    t.equal((await ask(started.url + POLL, { headers })).status, 200, 'a poll, by either way')
  t.equal((await ask(`${started.url}/healthz`)).status, 200)
  t.equal(
    (
      await ask(`${started.url}/api/v1/views`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
        body: '{"name":"made","rule":"promoted"}',
      })
    ).status,
    201,
  )
  t.ok((await pendingBytes(started)) > DOCUMENT_BYTES * 1.9)
  for (const client of clients) client.destroy()
  await until('fewer bytes are pending', async () => (await pendingBytes(started)) < DOCUMENT_BYTES / 2)
  t.equal((await ask(`${started.url}/openapi.yaml`)).status, 200, 'there is room again')
})

test('unread downloads have the same limit, and a refusal reveals nothing about the package', async (t) => {
  const started = await startWithRelease(t, { pendingBytes: 300 * 1024 })
  const clients = [
    await leaveUnread(t, started, `GET ${DOWNLOAD} HTTP/1.1\r\nHost: depot\r\n\r\n`),
    await leaveUnread(t, started, `GET ${DOWNLOAD} HTTP/1.1\r\nHost: depot\r\n\r\n`),
  ]
  const answer = await ask(started.url + DOWNLOAD, { headers: { 'user-agent': 'hab/2.0' } })
  t.match(answer, { status: 503, headers: { 'retry-after': '5' } })
  t.match(JSON.parse(answer.text), { msg: /too many answers/ })
  for (const name of ['etag', 'x-filename', 'accept-ranges', 'content-disposition', 'cache-control'])
    t.notOk(name in answer.headers, name)
  t.equal((await ask(started.url + POLL)).status, 200)
  for (const client of clients) client.destroy()
})
