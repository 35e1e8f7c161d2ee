import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'tap'
import { converse } from '../../../support/ask.ts'
import { makeOrigin, promoteTo, publishAll } from '../../../support/origin.ts'
import { makeReleases, move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { until } from '../../../support/until.ts'

// Polls of clients that do not read their answers.

const POLL = 'GET /v1/depot/views/acceptance/pkgs/acme/app/latest HTTP/1.1\r\nHost: depot\r\n'

const count = (text: string, part: string) => text.split(part).length - 1

test('a client that closes its sending side is answered, and the depot stops reading from a client that does not read', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true, limits: { unreadMs: 500 } })
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  await move(started, 'promote', 'acceptance', [
    { ident: 'acme/app/1.0.0/20260101120000', target: 'x86_64-linux' },
  ])
  const brief = converse(started.url)
  brief.socket.end(`${POLL}\r\n`)
  t.match(await brief.toTheEnd(), /^HTTP\/1\.1 200 OK\r\n[^]*\}$/)

  const idle = connect(Number(new URL(started.url).port), '127.0.0.1').pause()
  t.teardown(() => idle.destroy())
  let isFull = false
  for (let n = 0; n < 20_000 && !isFull; n += 1) {
    isFull = !idle.write(`${POLL}\r\n`)
    if (n % 50 === 0) await new Promise(setImmediate)
  }
  await started.close()
  t.pass('and the server stops all the same')
})

test('the depot stops reading from a client that does not read, also after lookups, and closes the connection once the client has read everything', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  await makeOrigin(started)
  const [hart] = await publishAll(started, {
    ident: 'acme/app/1.0.0/20260101120000',
    config: 'x'.repeat(200_000),
  })
  if (hart !== undefined) await promoteTo(started, 'stable', hart)
  started.app.server.keepAliveTimeout = 600_000 // longer than the test
  const taken = once(started.app.server, 'connection') as Promise<[Socket]>
  const client = connect(Number(new URL(started.url).port), '127.0.0.1').pause()
  t.teardown(() => client.destroy())
  const [socket] = await taken
  // There is no release for this target, so each poll is looked up.
  const poll =
    'GET /v1/views/stable/pkgs/acme/app/1.0.0/20260101120000?target=x86_64-windows HTTP/1.1\r\nHost: depot\r\n\r\n'
  let asked = 0
  while (!socket.writableNeedDrain) {
    client.write(poll)
    asked += 1
    await until(
      'all polls are read and the socket is ready',
      () => socket.bytesRead === asked * poll.length && (socket.writableNeedDrain || !socket.isPaused()),
    )
  }
  await new Promise(setImmediate)
  t.ok(socket.isPaused())

  const closing = started.close()
  const closed = once(client, 'close')
  let heard = ''
  client
    .setEncoding('latin1')
    .on('data', (piece: string) => (heard += piece))
    .resume()
  await Promise.all([closing, closed])
  t.equal(count(heard, 'HTTP/1.1 200 OK'), asked)
  t.ok(heard.endsWith('}'))
})
