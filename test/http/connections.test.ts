import { Agent } from 'node:http'
import { test } from 'tap'
import { ask, converse } from '../support/ask.ts'
import { startDepot } from '../support/start-depot.ts'

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
