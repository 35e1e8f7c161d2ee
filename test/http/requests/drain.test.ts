import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { closeGently } from '../../../src/http/requests/drain.ts'
import type { DrainLimits } from '../../../src/http/requests/drain.ts'
import { converse } from '../../support/ask.ts'

const MIB = 1024 * 1024

/** Starts a server that refuses every request at once. */
async function refusingServer(
  t: Test,
  limits?: DrainLimits,
): Promise<{ url: string; connection: Promise<Socket> }> {
  const server = createServer((request, response) => {
    response.setHeader('connection', 'close')
    closeGently(request, limits)
    response.writeHead(403, { 'content-length': 7 }).end('refused')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const connection = once(server, 'connection').then(([socket]) => socket as Socket)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connection }
}

test('a client that never stops sending gets the answer and is cut off after some bytes', async (t) => {
  const { url, connection } = await refusingServer(t, { maxBytes: 2 * MIB, maxMs: 60_000 })
  const talk = converse(url)
  await talk.say('POST / HTTP/1.1\r\nHost: depot\r\nTransfer-Encoding: chunked\r\n\r\n')
  t.match(await talk.hear(/refused$/), /^HTTP\/1\.1 403 /)
  const socket = await connection
  const closed = once(socket, 'close')
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MIB), Buffer.from('\r\n')])
  for (let sent = 0; sent < 64 && !socket.destroyed; sent += 1) await talk.say(chunk)
  await closed
  t.ok(socket.bytesRead < 4 * MIB)
})

test('a client that stops sending and stays connected is cut off after a while', async (t) => {
  const { url, connection } = await refusingServer(t, { maxBytes: MIB, maxMs: 20 })
  const talk = converse(url)
  await talk.say('POST / HTTP/1.1\r\nHost: depot\r\nContent-Length: 100\r\n\r\nonly this')
  t.match(await talk.hear(/refused$/), /^HTTP\/1\.1 403 /)
  const socket = await connection
  if (!socket.destroyed) await once(socket, 'close')
  t.pass()
})

test('a client that sends everything it announced is closed at once', async (t) => {
  const { url, connection } = await refusingServer(t)
  const talk = converse(url)
  await talk.say('POST / HTTP/1.1\r\nHost: depot\r\nContent-Length: 10\r\n\r\n')
  await talk.hear(/refused$/)
  const socket = await connection
  await talk.say('0123456789')
  if (!socket.destroyed) await once(socket, 'close')
  t.match(await talk.toTheEnd(), /refused$/)
})
