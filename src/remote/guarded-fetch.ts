import { getCACertificates } from 'node:tls'
import { RemoteError } from './remote-error.ts'
import type { Fetch } from './fetch.ts'

export interface GuardedFetchOptions {
  /** The URL of an HTTP proxy, which may have credentials. */
  readonly proxy: string | undefined
  /** Certificates of authorities in PEM, which are trusted in addition to those of Node. */
  readonly authorities: string | undefined
  /** How long the other side may be silent, in milliseconds. */
  readonly idleMs: number
  /** How long the headers of an answer may take, in milliseconds; by default a minute. */
  readonly headersMs?: number
  /** Ends all requests. */
  readonly signal?: AbortSignal | undefined
}

/** Connections that stay open for later requests. */
const MAX_IDLE_CONNECTIONS = 8
const MAX_HEADERS_MS = 60_000

/**
 * Makes a {@link Fetch} for a server that is not trusted. It keeps connections, and decodes no content. It
 * rejects a redirect with a {@link RemoteError}, because a server could point to an address that only this
 * machine can reach. The body fails when the server is silent for too long.
 */
export function guardedFetch({
  proxy,
  authorities,
  idleMs,
  headersMs = MAX_HEADERS_MS,
  signal,
}: GuardedFetchOptions): Fetch {
  const options = {
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    ...(proxy !== undefined && { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
  }
  const http = process.getBuiltinModule('node:http') // an import statement would load all of fetch, too
  const https = process.getBuiltinModule('node:https')
  const plain = new http.Agent(options)
  const secure = new https.Agent({
    ...options,
    ...(authorities !== undefined && { ca: [...getCACertificates('default'), authorities] }),
  })
  return async (url, { method, headers, body }) => {
    const sent = body === undefined || typeof body === 'string' ? body : Buffer.from(await body.arrayBuffer())
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Fetch>>>()
    const isSecure = new URL(url).protocol === 'https:'
    const request = (isSecure ? https : http).request(url, {
      method,
      headers,
      agent: isSecure ? secure : plain,
      timeout: idleMs,
      ...(signal && { signal }),
    })
    // A server that sends its headers byte by byte is never idle.
    const timer = setTimeout(() => request.destroy(timedOut(`no headers for ${headersMs} ms`)), headersMs)
    request.once('response', (answer) => {
      clearTimeout(timer)
      const { statusCode: status = 0, headers: answered } = answer
      if (status < 300 || status === 304 || status >= 400)
        return resolve({ status, header: (name) => [answered[name]].flat()[0], body: answer })
      request.destroy()
      reject(
        new RemoteError(
          'refused',
          `${method} ${url} answered ${status}: redirects are not followed (to ${answered.location ?? 'nowhere'})`,
        ),
      )
    })
    request.once('timeout', () => request.destroy(timedOut(`silent for ${idleMs} ms`)))
    request.on('error', (cause) => reject(new TypeError('fetch failed', { cause })))
    // After status 101 there is neither an answer nor an error.
    request.once('close', () => {
      clearTimeout(timer)
      reject(new TypeError('fetch failed', { cause: new Error('closed without an answer') }))
    })
    request.end(sent)
    return promise
  }
}

function timedOut(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' })
}
