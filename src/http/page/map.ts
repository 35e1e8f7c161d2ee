import type { FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'
import { readVersion } from '../../package-root.ts'
import { depotUrl } from './html/depot-url.ts'

/** Writes what the depot has, for people with curl. */
export function writeMap(request: FastifyRequest, config: Config): string {
  const url = depotUrl(request, config)
  return `hart-depot ${readVersion()}

${url}/                 this depot as a page, for browsers
${url}/api/v1           its API; ?format=text lists all operations
${url}/docs/api         the reference of the API
${url}/v1/depot         for Habitat's clients: HAB_BLDR_URL=${url}
${url}/v1/depot/views/VIEW
                        what one environment runs, for supervisors: HAB_BLDR_URL=${url}/v1/depot/views/VIEW
${url}/healthz          whether it runs; /readyz whether it is ready; /metrics for Prometheus
`
}
