import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { request as httpRequest } from 'node:http'
import type { Agent, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

// Requests to a listening server. They are not retried, redirects are not followed, and nothing is decoded.

export interface Asked {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  /** Iterables are sent chunked, unless the headers have a Content-Length. */
  readonly body?: Buffer | string | Iterable<Buffer> | AsyncIterable<Buffer>
  /** By default, each request has its own connection. */
  readonly agent?: Agent
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

/** Sends one request and resolves with its answer, which may arrive before the whole body is sent. */
export async function ask(
  url: string,
  { method = 'GET', headers = {}, body, agent }: Asked = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const [, host = '', port = '', path = ''] = /^http:\/\/([^/:]+):(\d+)(\/.*)$/.exec(url) ?? [] // `new URL` would normalize the path
  const request = httpRequest({ host, port, path, method, headers, agent: agent ?? false }, (response) => {
    const pieces: Buffer[] = []
    response.on('data', (piece: Buffer) => pieces.push(piece))
    response.once('error', reject)
    response.once('end', () => {
      const whole = Buffer.concat(pieces)
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: whole,
        text: whole.toString('utf8'),
      })
    })
  })
  request.once('error', reject)
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) request.end(body)
  else await Promise.race([promise, pipeline(Readable.from(body), request)]).catch(() => undefined) // `promise` rejects with the error
  return promise
}

/** A TCP connection on which a test sends every byte itself. */
export interface Conversation {
  readonly socket: Socket
  /** Resolves when the kernel has the bytes. */
  say(bytes: string | Buffer): Promise<void>
  /**
   * Resolves with everything received, as soon as it matches. Rejects if the server closes the connection
   * before.
   */
  hear(pattern: RegExp): Promise<string>
  /** Resolves with everything received when the server closes the connection. */
  toTheEnd(): Promise<string>
}

export function converse(url: string): Conversation {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  let heard = ''
  const closed = new Promise<void>((resolve) => {
    socket.once('end', resolve)
    socket.once('close', () => resolve())
  })
  socket.on('error', () => undefined)
  socket.on('data', (piece: Buffer) => {
    heard += piece.toString('latin1')
  })
  return {
    socket,
    say: (bytes) => new Promise((resolve) => void socket.write(bytes, () => resolve())),
    async hear(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      const look = () => pattern.test(heard) && resolve(heard)
      socket.on('data', look)
      void closed.then(() => reject(new Error(`the connection ended after ${JSON.stringify(heard)}`)))
      look()
      return promise
    },
    async toTheEnd() {
      await closed
      socket.destroy()
      return heard
    },
  }
}
