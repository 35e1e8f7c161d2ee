import { Readable } from 'node:stream'
import type { RouteOptions, onSendHookHandler } from 'fastify'

/**
 * Lets a GET route answer HEAD requests too. The `exposeHeadRoutes` of fastify adds a second route for each
 * of ours, and adding routes is most of the time that a server needs to start.
 */
export function answerHead(route: RouteOptions): void {
  route.method = ['GET', 'HEAD']
  route.onSend = withoutBody // the last hook, because those of routes run after those of the server
}

const withoutBody: onSendHookHandler = (request, reply, payload, done) => {
  if (request.method !== 'HEAD') return done(null, payload)
  if (payload instanceof Readable) payload.destroy()
  else reply.header('content-length', byteLength(payload))
  done(null, null)
}

function byteLength(payload: unknown): number {
  return typeof payload === 'string' || Buffer.isBuffer(payload) ? Buffer.byteLength(payload) : 0
}
