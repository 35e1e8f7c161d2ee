import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import type { RequestListener, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

const TLS = join(import.meta.dirname, '../../fixtures/tls')

/** The certificate of the authority that signs those of {@link startLyingDepot}. */
export const AUTHORITY = join(TLS, 'authority.pem')

/**
 * Starts a server on a loopback address that answers as `listener` does, and returns its URL. With a
 * certificate, it speaks TLS.
 */
export async function startLyingDepot(
  t: { teardown(fn: () => Promise<void>): unknown },
  listener: RequestListener,
  certificate?: 'server' | 'expired',
): Promise<string> {
  const server =
    certificate === undefined
      ? createServer(listener)
      : createSecureServer(
          {
            cert: readFileSync(join(TLS, `${certificate}.pem`)),
            key: readFileSync(join(TLS, 'server.key')),
          },
          listener,
        )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  return `http${certificate === undefined ? '' : 's'}://127.0.0.1:${port}`
}

/**
 * Starts a server in front of a depot, and returns its URL and the paths that were asked for. `lie` answers a
 * request and returns true, or returns false to let the depot answer. `depotUrl` may be a function, for a depot
 * that starts later.
 */
export async function startLiar(
  t: { teardown(fn: () => Promise<void>): unknown },
  depotUrl: string | (() => string),
  lie: (path: string, answer: ServerResponse) => boolean = () => false,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const url = await startLyingDepot(t, (request, answer) => {
    const { url: path = '' } = request
    asked.push(path)
    if (lie(path, answer)) return
    const forwarded = httpRequest(
      (typeof depotUrl === 'string' ? depotUrl : depotUrl()) + path,
      { headers: request.headers, agent: false },
      (truth) => {
        answer.writeHead(truth.statusCode ?? 502, truth.headers)
        truth.pipe(answer)
      },
    )
    forwarded.end()
  })
  return { url, asked }
}
