import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { ask, converse } from '../support/ask.ts'
import { openBlobs } from '../support/storage/open-blobs.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

// Clients that read slowly or not at all, and answers that are larger than the buffers of the system.

test('a client that stops reading is cut off, and a slow reader is not', async (t) => {
  const file = {
    ident: 'acme/app/1.0.0/20260101120000',
    files: [{ path: 'large', content: Buffer.alloc(16 * 1024 * 1024, 'x') }],
  }
  const started = await startDepot(t, { listen: true, limits: { unreadMs: 500 } })
  await makeOrigin(started)
  const [hart] = await publishAll(started, file)
  const question =
    'GET /v1/depot/pkgs/acme/app/1.0.0/20260101120000/download HTTP/1.1\r\nHost: depot\r\nConnection: close\r\n\r\n'

  const idle = converse(started.url)
  idle.socket.pause()
  await idle.say(question)
  await until('one blob is open', async () => (await openBlobs(started.folder)) === 1)
  await until('no blob is open', async () => (await openBlobs(started.folder)) === 0)
  idle.socket.destroy()

  const slow = converse(started.url)
  slow.socket.removeAllListeners('data').pause()
  await slow.say(question)
  let received = 0
  for await (const piece of slow.socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (received === 0) await setTimeout(150)
    received += piece.length
    if (Math.floor(received / 2 ** 21) !== Math.floor((received - piece.length) / 2 ** 21))
      await setTimeout(60)
  }
  t.ok(received > Number(hart?.bytes.length), 'all of it, and its head')
})

test('no further request is read while the client does not read an answer', async (t) => {
  const started = await startDepot(t, { listen: true })
  let asked = 0
  started.app.server.prependListener('request', () => (asked += 1))
  const taken = once(started.app.server, 'connection') as Promise<[Socket]>
  const client = connect(Number(new URL(started.url).port), '127.0.0.1').pause()
  t.teardown(() => client.destroy())
  const [socket] = await taken
  const REQUESTS = 100
  const question = 'GET /openapi.yaml HTTP/1.1\r\nHost: depot\r\n'
  client.write(`${`${question}\r\n`.repeat(REQUESTS - 1)}${question}Connection: close\r\n\r\n`)
  await until(
    'the socket is paused with bytes to write',
    () => socket.isPaused() && socket.writableLength > 0,
  )
  const length = (await ask(`${started.url}/openapi.yaml`)).body.length
  asked -= 1
  t.ok(asked < REQUESTS / 2, `${asked} of ${REQUESTS} requests were read`)
  t.ok(socket.writableLength <= 2 * length, 'one answer is pending')

  let heard = 0
  client.on('data', (piece) => (heard += piece.length)).resume()
  await once(client, 'end')
  t.equal(asked, REQUESTS)
  t.ok(heard > REQUESTS * length, 'all are answered in the end')
})

test('a stopping server completes its answer for a slow reader', async (t) => {
  const started = await startDepot(t, { listen: true })
  const document = (await ask(`${started.url}/openapi.yaml`)).text
  const taken = once(started.app.server, 'connection') as Promise<[Socket]>
  const client = connect(Number(new URL(started.url).port), '127.0.0.1').pause()
  t.teardown(() => client.destroy())
  client.write('GET /openapi.yaml HTTP/1.1\r\nHost: depot\r\n\r\n'.repeat(100))
  const [socket] = await taken
  let written = -1
  let rounds = 0
  await until('the depot reads no more', () => {
    rounds = socket.writableLength > 0 && socket.bytesWritten === written ? rounds + 1 : 0
    written = socket.bytesWritten
    return rounds > 100
  })
  const closing = started.close()
  await new Promise(setImmediate)
  let heard = ''
  client
    .setEncoding('utf8')
    .on('data', (piece: string) => (heard += piece))
    .resume()
  await Promise.all([once(client, 'close'), closing])
  const answers = heard.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => answer.startsWith('HTTP/1.1 200 '))
  t.ok(answers.length > 1)
  for (const answer of answers) t.ok(answer.endsWith(document), 'an answer that began is whole')
})
