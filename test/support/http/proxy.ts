import { EventEmitter, once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What the proxy does with a request: passes it on, cuts the connection at once or within the answer, never
 * answers, or answers itself.
 */
export type Fate =
  | 'pass'
  | 'cut'
  | 'cut-within'
  | 'ignore'
  | { status: number; headers?: Record<string, string>; body?: string }

export interface Proxy {
  readonly url: string
  /** All requests in order, for example `GET /v1/status`. */
  readonly asked: string[]
  /** Resolves when a matching request has arrived. */
  hears(isIt: (what: string, index: number) => boolean): Promise<void>
}

/** How a proxy serves a depot below a path. */
export interface Below {
  /** For example `/depot`. Requests to other paths get 404. */
  readonly path: string
  /** Whether the proxy removes the path before it passes a request on. */
  readonly isTakenAway: boolean
  readonly headers?: Readonly<Record<string, string>>
}

const ROOT: Below = { path: '', isTakenAway: true }

/**
 * Starts a proxy on a loopback address before a depot. `to` is its URL, or returns the one for the next request.
 */
export async function startProxy(
  t: { teardown(fn: () => Promise<void>): unknown },
  to: string | ((incoming: IncomingMessage) => string),
  fateOf: (asked: string, nth: number) => Fate = () => 'pass',
  below = ROOT,
): Promise<Proxy> {
  const asked: string[] = []
  const arrivals = new EventEmitter()
  const server = createServer((incoming, outgoing) => {
    const what = `${incoming.method ?? ''} ${incoming.url ?? ''}`
    asked.push(what)
    arrivals.emit('asked')
    const url = incoming.url ?? ''
    const fate = !url.startsWith(`${below.path}/`)
      ? { status: 404 }
      : fateOf(what, asked.filter((other) => other === what).length)
    if (fate === 'ignore') return
    if (fate === 'cut') {
      incoming.socket.destroy()
      return
    }
    if (typeof fate === 'object') {
      incoming.resume()
      outgoing.writeHead(fate.status, fate.headers).end(fate.body)
      return
    }
    const forwarded = httpRequest(
      (typeof to === 'string' ? to : to(incoming)) + (below.isTakenAway ? url.slice(below.path.length) : url),
      { method: incoming.method, headers: { ...incoming.headers, ...below.headers }, agent: false },
      (answer) => {
        if (fate === 'pass') answer.pipe(outgoing.writeHead(answer.statusCode ?? 502, answer.headers))
        else
          answer.once('readable', () => {
            const piece = answer.read() as Buffer | null
            outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'content-length': 1_000 })
            outgoing.write(piece?.subarray(0, 10) ?? 'x', () => incoming.socket.destroy())
          })
      },
    )
    forwarded.once('error', () => incoming.socket.destroy())
    outgoing.once('close', () => forwarded.destroy()) // the client has left, or has everything
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async hears(isIt) {
      while (!asked.some(isIt)) await once(arrivals, 'asked')
    },
  }
}
