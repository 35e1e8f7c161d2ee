import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Test } from 'tap'
import { answerOneAtATime } from '../../../src/http/requests/one-at-a-time.ts'

/**
 * Sends bytes to a server. Returns the response until the connection closes, and the number of turns of the
 * event loop meanwhile.
 */
async function exchange(
  t: Test,
  sent: string,
  answer: (request: IncomingMessage, response: ServerResponse, turn: number) => void,
): Promise<{ heard: string; turns: number }> {
  let turn = 0
  let counter: NodeJS.Immediate | undefined
  const count = () => {
    turn += 1
    counter = setImmediate(count)
  }
  const server = createServer((request, response) => answer(request, response, turn))
  answerOneAtATime(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  let heard = ''
  client.setEncoding('latin1').on('data', (piece) => (heard += String(piece)))
  count()
  client.end(sent)
  await once(client, 'close')
  clearImmediate(counter)
  return { heard, turns: turn }
}

// Otherwise one client with many requests in a row would keep all others waiting.
test('other connections get a turn between two requests of one connection', async (t) => {
  const COUNT = 200
  const seen: number[] = []
  const { heard } = await exchange(
    t,
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(COUNT),
    (_, response, turn) => {
      seen.push(turn)
      response.end('answer')
    },
  )
  t.equal(heard.match(/answer/g)?.length, COUNT)
  t.equal(new Set(seen).size, COUNT, 'each in a turn of its own')
})

test('line breaks in a chunked body and before a request take no turns', async (t) => {
  const CHUNK = `8000\r\n${'\r\n\r\n'.repeat(0x2000)}\r\n`
  let size = 0
  const body = `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNK}0\r\n\r\n`
  const blank = '\r\n'.repeat(0x4000)
  const { heard, turns } = await exchange(
    t,
    `${blank}${body}${blank}GET / HTTP/1.1\r\nHost: x\r\n\r\n`,
    (request, response) => {
      request.on('data', (piece: Buffer) => (size += piece.length))
      request.on('end', () => response.end('answer'))
    },
  )
  t.equal(heard.match(/answer/g)?.length, 2)
  t.equal(size, 0x8000)
  t.ok(turns < 1_000, `${turns} turns`)
})
