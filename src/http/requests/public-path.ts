import proxyAddr from '@fastify/proxy-addr'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../config/config.ts'

// A proxy may serve the depot below a path of its host, for example `https://host/depot/`, and remove that
// path or keep it. URLs that clients follow (`next`, `Link`, `Location`) start with the path; routes, logs
// and metrics never see it.

/** Whether to believe the `X-Forwarded-…` headers of a peer address. */
export type ProxyTrust = (address: string) => boolean

/** Makes the same decision as fastify, from the same setting. */
export function proxyTrust(trustProxy: Config['trustProxy']): ProxyTrust {
  if (typeof trustProxy === 'boolean') return () => trustProxy
  const trusts = proxyAddr.compile(trustProxy.split(',').map((item) => item.trim()))
  return (address) => trusts(address, 0)
}

const MAX_PREFIX_LENGTH = 200
/** Requires non-empty segments, because `//host/` would be another host. */
const PREFIX = /^(?:\/[\w.~!$&'()*+;=:@%-]+)*\/?$/

/**
 * Returns the path of the depot as the client sees it: the prefix that a trusted proxy forwards, or else
 * `configured`, the path of the public URL.
 */
export function publicPathOf(request: FastifyRequest, configured: string, trusts: ProxyTrust): string {
  const forwarded = request.headers['x-forwarded-prefix']
  if (typeof forwarded !== 'string' || !trusts(request.raw.socket.remoteAddress ?? '')) return configured
  if (forwarded.length > MAX_PREFIX_LENGTH || !PREFIX.test(forwarded)) return configured
  return forwarded.replace(/\/$/, '')
}

/** Returns the path of the public URL without a trailing slash. */
export function pathOf(publicUrl: string | undefined): string {
  return publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/$/, '')
}

/** Removes the path of the public URL from the URL of a request, if the proxy kept it. */
export function withoutPath(url: string, path: string): string {
  return url.startsWith(`${path}/`) ? url.slice(path.length) : url
}
