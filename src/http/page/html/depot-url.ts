import type { FastifyRequest } from 'fastify'
import type { Config } from '../../../config/config.ts'

/**
 * Returns the URL at which the client of a request reaches the depot, without a slash at its end: the public
 * URL of the settings or, without one, the URL of the request.
 */
export function depotUrl(request: FastifyRequest, { publicUrl }: Pick<Config, 'publicUrl'>): string {
  return publicUrl ?? `${request.protocol}://${request.host}${request.publicPath}`
}

/**
 * Returns the scheme, host and port of {@link depotUrl}: the `Origin` of requests that pages of the depot
 * make.
 */
export function depotOrigin(request: FastifyRequest, config: Pick<Config, 'publicUrl'>): string {
  return new URL(depotUrl(request, config)).origin
}
