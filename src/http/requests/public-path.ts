import proxyAddr from '@fastify/proxy-addr'
import type { FastifyRequest } from 'fastify'
import type { Config } from '../../config.ts'

// A depot may lie below a path of its host, behind a proxy: `https://host/depot/`. The proxy takes that path away, or leaves it. What the
// depot tells clients to follow (`next`, `Link`, `Location`) begins with it; routes, logs and figures know nothing of it.

/** Decides whose `X-Forwarded-…` headers are believed, by the address of the peer. */
export type ProxyTrust = (address: string) => boolean

/** As fastify has it, which is told the same. */
export function proxyTrust(trustProxy: Config['trustProxy']): ProxyTrust {
  if (typeof trustProxy === 'boolean') return () => trustProxy
  const trusts = proxyAddr.compile(trustProxy.split(',').map((item) => item.trim()))
  return (address) => trusts(address, 0)
}

const LONGEST_PREFIX = 200
/** Segments that are not empty: `//host/` would be another host. */
const PREFIX = /^(?:\/[\w.~!$&'()*+;=:@%-]+)*\/?$/

/** The path of the depot that the client of a request sees: what a trusted proxy forwards, or else the path of the public URL. */
export function publicPathOf(request: FastifyRequest, own: string, trusts: ProxyTrust): string {
  const forwarded = request.headers['x-forwarded-prefix']
  if (typeof forwarded !== 'string' || !trusts(request.raw.socket.remoteAddress ?? '')) return own
  if (forwarded.length > LONGEST_PREFIX || !PREFIX.test(forwarded)) return own
  return forwarded.replace(/\/$/, '')
}

/** The path of the public URL, without a slash at its end. */
export function pathOf(publicUrl: string | undefined): string {
  return publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/$/, '')
}

/** Takes the path of the public URL away, where a proxy left it. */
export function withoutPath(url: string, own: string): string {
  return url.startsWith(`${own}/`) ? url.slice(own.length) : url
}
