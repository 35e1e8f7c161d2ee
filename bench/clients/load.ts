import { once } from 'node:events'
import { connect } from 'node:net'

// Makes load with raw sockets, because an HTTP client would need more processor time than the server.

export interface Answer {
  /** For example `HTTP/1.1 200 OK`. */
  readonly firstLine: string
  /** Names and values in turns, unchanged. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /**
   * The size of head and body together. It is the same for every answer, because a `Date` always has the same
   * length.
   */
  readonly sizeBytes: number
}

/**
 * A request that is repeated, and the answer of {@link askAny}. A different first line or length fails the
 * run.
 */
export interface Poll {
  readonly request: Buffer
  readonly firstLine: string
  readonly answerBytes: number
}

const CONNECTIONS = 16
const GOOD = 'HTTP/1.1 200 '
const BODILESS = /^HTTP\/1\.1 (204|304) /

/** Returns the bytes of a GET. With `close`, the connection ends after the answer, as with `hab`. */
export function getRequest(
  path: string,
  headers: Readonly<Record<string, string>>,
  connection: 'keep-alive' | 'close',
): Buffer {
  const lines = Object.entries({ host: '127.0.0.1', ...headers, connection }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
}

/** Sends a request. Throws unless the answer is 200 with a `Content-Length`. */
export async function ask(port: number, request: Buffer): Promise<Answer> {
  const answer = await askAny(port, request)
  if (!answer.firstLine.startsWith(GOOD)) throw new Error(`unexpected answer: ${answer.firstLine}`)
  return answer
}

/** Like {@link ask}, for any status. */
export async function askAny(port: number, request: Buffer): Promise<Answer> {
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

/** Like {@link ask}, on a connection that the server closes. */
export async function askClosing(port: number, request: Buffer): Promise<Answer> {
  const socket = connect(port, '127.0.0.1')
  socket.write(request)
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  const received = Buffer.concat(pieces)
  const answer = parseAnswer(received)
  if (answer?.sizeBytes !== received.length || !answer.firstLine.startsWith(GOOD)) throw unexpected(received)
  return answer
}

/** Returns the value of a header. `name` is in lower case. */
export function headerOf({ headers }: Answer, name: string): string | undefined {
  const at = headers.findIndex((each, index) => index % 2 === 0 && each.toLowerCase() === name)
  return at === -1 ? undefined : headers[at + 1]
}

/** Sends `count` polls in turns on a few kept connections, one at a time on each. */
export async function pollKeepingAlive(port: number, polls: readonly Poll[], count: number): Promise<void> {
  let left = count
  const one = async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    let poll = turn(polls, left)
    let missing = 0
    const next = () => {
      left -= 1
      poll = turn(polls, left)
      missing = poll.answerBytes
      if (left < 0) socket.end()
      else socket.write(poll.request)
    }
    socket.once('connect', next)
    socket.on('data', (piece: Buffer) => {
      if (missing === poll.answerBytes && !isBegunBy(piece, poll)) socket.destroy(unexpected(piece))
      missing -= piece.length
      if (missing === 0) next()
      else if (missing < 0) socket.destroy(unexpected(piece))
    })
    await once(socket, 'close')
    if (left >= 0) throw new Error('the server closed a connection that should stay')
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

/** Sends `count` polls in turns, each on a connection of its own that the server closes. */
export async function pollClosing(port: number, polls: readonly Poll[], count: number): Promise<void> {
  let left = count
  const one = async () => {
    while (left > 0) {
      left -= 1
      const poll = turn(polls, left)
      const socket = connect(port, '127.0.0.1')
      socket.write(poll.request)
      let received = 0
      socket.on('data', (piece: Buffer) => {
        if (received === 0 && !isBegunBy(piece, poll)) socket.destroy(unexpected(piece))
        received += piece.length
      })
      await once(socket, 'close')
      if (received !== poll.answerBytes)
        throw new Error(`an answer had ${received} bytes, not ${poll.answerBytes}`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, one))
}

/** Reads an answer into one buffer, which is used again. Returns the size of head and body. */
export async function readAll(port: number, request: Buffer): Promise<number> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: { buffer: Buffer.alloc(1024 * 1024), callback: (bytes) => count(bytes) },
  })
  let received = 0
  const count = (bytes: number) => {
    received += bytes
    return true
  }
  socket.write(request)
  await once(socket, 'close')
  return received
}

/** Returns `undefined` until the answer is complete. */
function parseAnswer(received: Buffer): Answer | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = received.subarray(0, end).toString('latin1')
  const bytes = BODILESS.test(head) ? 0 : /^content-length: (\d+)\r?$/im.exec(head)?.[1]
  if (bytes === undefined) throw new Error(`unexpected answer: ${head}`)
  const sizeBytes = end + 4 + Number(bytes)
  if (received.length < sizeBytes) return undefined
  const [firstLine = '', ...lines] = head.split('\r\n')
  const headers = lines.flatMap((line) => line.split(/: (.*)/s).slice(0, 2))
  return { firstLine, headers, body: received.subarray(end + 4, sizeBytes), sizeBytes }
}

function turn(polls: readonly Poll[], number: number): Poll {
  const poll = polls[Math.abs(number) % polls.length]
  if (poll === undefined) throw new Error('there is nothing to poll')
  return poll
}

function isBegunBy(piece: Buffer, { firstLine }: Poll): boolean {
  return piece.toString('latin1', 0, firstLine.length) === firstLine
}

function unexpected(piece: Buffer): Error {
  return new Error(`unexpected answer: ${piece.toString('latin1', 0, 200)}`)
}
