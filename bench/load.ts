import { once } from 'node:events'
import { connect } from 'node:net'

// Load from raw sockets: an HTTP client would cost more than the server, and hide what it answers.

export interface Answer {
  /** Names and values by turns, as they came. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** Of head and body together. The same request gets the same number again: a `Date` is as long on every day. */
  readonly sizeBytes: number
}

/** What is asked, over and over. */
export interface Poll {
  readonly port: number
  readonly request: Buffer
  /** What {@link ask} was answered; any other length fails the run. */
  readonly answerBytes: number
}

const CONNECTIONS = 16
const GOOD = 'HTTP/1.1 200 '

/** The bytes of a GET. `close` asks as `hab` does, which opens a connection for each request. */
export function getRequest(path: string, headers: Readonly<Record<string, string>>, connection: 'keep-alive' | 'close'): Buffer {
  const lines = Object.entries({ host: '127.0.0.1', ...headers, connection }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
}

/** Asks once. Throws when the answer is not 200 with a `Content-Length`. */
export async function ask(port: number, request: Buffer): Promise<Answer> {
  const socket = connect(port, '127.0.0.1')
  socket.write(request)
  let received = Buffer.alloc(0)
  try {
    for await (const piece of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, piece])
      const answer = parseAnswer(received)
      if (answer !== undefined) return answer
    }
    throw new Error('the connection ended before the answer')
  } finally {
    socket.destroy()
  }
}

/** {@link ask} on a connection that the server closes. */
export async function askClosing(port: number, request: Buffer): Promise<Answer> {
  const socket = connect(port, '127.0.0.1')
  socket.write(request)
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  const received = Buffer.concat(pieces)
  const answer = parseAnswer(received)
  if (answer?.sizeBytes !== received.length) throw unexpected(received)
  return answer
}

/** Asks `count` times on a few connections that stay, each waiting for its answer. */
export async function pollKeepingAlive(poll: Poll, count: number): Promise<void> {
  let left = count
  const one = async () => {
    const socket = connect(poll.port, '127.0.0.1').setNoDelay()
    let missing = poll.answerBytes
    const next = () => {
      missing = poll.answerBytes
      left -= 1
      if (left < 0) socket.end()
      else socket.write(poll.request)
    }
    socket.once('connect', next)
    socket.on('data', (piece: Buffer) => {
      if (missing === poll.answerBytes && !isGood(piece)) socket.destroy(unexpected(piece))
      missing -= piece.length
      if (missing === 0) next()
      else if (missing < 0) socket.destroy(unexpected(piece))
    })
    await once(socket, 'close')
    if (left >= 0) throw new Error('the server closed a connection that should stay')
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

/** Asks `count` times, each on a connection of its own that the server closes. */
export async function pollClosing(poll: Poll, count: number): Promise<void> {
  let left = count
  const one = async () => {
    while (left > 0) {
      left -= 1
      const socket = connect(poll.port, '127.0.0.1')
      socket.write(poll.request)
      let received = 0
      socket.on('data', (piece: Buffer) => {
        if (received === 0 && !isGood(piece)) socket.destroy(unexpected(piece))
        received += piece.length
      })
      await once(socket, 'close')
      if (received !== poll.answerBytes) throw new Error(`an answer had ${received} bytes, not ${poll.answerBytes}`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

/** Reads what is answered into one buffer, over and over. Answers the number of bytes, with the head's. */
export async function readAll(port: number, request: Buffer): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', onread: { buffer: Buffer.alloc(1024 * 1024), callback: (bytes) => count(bytes) } })
  let received = 0
  const count = (bytes: number) => {
    received += bytes
    return true
  }
  socket.write(request)
  await once(socket, 'close')
  return received
}

/** `undefined` as long as it is not whole. */
function parseAnswer(received: Buffer): Answer | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = received.subarray(0, end).toString('latin1')
  const bytes = /^content-length: (\d+)$/im.exec(head)?.[1]
  if (!head.startsWith(GOOD) || bytes === undefined) throw new Error(`unexpected answer: ${head}`)
  const sizeBytes = end + 4 + Number(bytes)
  if (received.length < sizeBytes) return undefined
  const headers = head.split('\r\n').slice(1).flatMap((line) => line.split(/: (.*)/s).slice(0, 2))
  return { headers, body: received.subarray(end + 4, sizeBytes), sizeBytes }
}

function isGood(piece: Buffer): boolean {
  return piece.toString('latin1', 0, GOOD.length) === GOOD
}

function unexpected(piece: Buffer): Error {
  return new Error(`unexpected answer: ${piece.toString('latin1', 0, 200)}`)
}
