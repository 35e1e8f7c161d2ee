import { Agent } from 'node:http'
import { test } from 'tap'
import { ask, converse } from '../support/ask.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

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
