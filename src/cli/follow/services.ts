import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { hostname } from 'node:os'
import { once } from 'node:events'
import { readVersion } from '../../package-root.ts'
import { packageOf } from '../../package/ident.ts'
import type { StateFolder } from './state.ts'

/**
 * Answers `GET /services` as the HTTP gateway of a Supervisor does, so that `hart-depot fleet` sees what a
 * follower runs. The caller closes the server.
 */
export async function serveServices(
  { host, port }: { host: string; port: number },
  folder: StateFolder,
  source: { readonly depotUrl: string; readonly view: string },
): Promise<Server> {
  const server = createServer((request, response) => {
    const isServices = request.url === '/services' && (request.method === 'GET' || request.method === 'HEAD')
    if (!isServices) {
      response.writeHead(404).end()
      return
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(servicesOf(folder, source)))
  })
  server.listen(port, host)
  await once(server, 'listening')
  return server
}

function servicesOf(
  { state }: StateFolder,
  { depotUrl, view }: { depotUrl: string; view: string },
): object[] {
  if (state === undefined) return []
  const { ident, status, since, attempts } = state
  const [origin, name] = packageOf(ident).split('/')
  return [
    {
      bldr_url: `${depotUrl}/v1/depot/views/${encodeURIComponent(view)}`,
      channel: view,
      health_check: status === 'running' ? 'Ok' : status === 'failed' ? 'Critical' : 'Unknown',
      pkg: { ident, origin, name },
      process: {
        state: status === 'running' ? 'up' : 'down',
        state_entered: Math.floor(Date.parse(since) / 1_000),
        pid: null,
      },
      restart_count: attempts - 1,
      service_group: `${name}.default`,
      sys: { hostname: hostname(), version: `hart-depot follow ${readVersion()}` },
      topology: 'standalone',
      update_condition: 'track-channel',
      update_strategy: 'at-once',
    },
  ]
}
