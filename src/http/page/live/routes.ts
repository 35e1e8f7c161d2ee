import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { EVERYTHING, viewTopic } from '../../../following/feed.ts'
import type { RouteContext } from '../../requests/request.ts'

// Tells pages that something was committed, as server-sent events. An event says only how many entries the
// ledger has: the browser then reads its page again, with the rights that it has by then.

/** The maximum number of pages in each thread that follow the depot. */
const MAX_FOLLOWERS = 500
/** The browser connects again after this time, and is identified then. */
const LIFETIME_MS = 30 * 60_000
const RETRY_AFTER_S = 30
const RECONNECT_AFTER_MS = 2_000
const HEARTBEATS_PER_UNREAD = 4

export function liveRoutes(app: FastifyInstance, { depot, feed }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const followers = new Set<PassThrough>()

  pages.get(
    '/live',
    { schema: { querystring: z.object({ view: z.string().max(255).optional() }) } },
    async (request, reply) => {
      if (followers.size >= MAX_FOLLOWERS)
        throw new DepotError('overloaded', 'too many pages follow this depot', {
          retryAfterSeconds: RETRY_AFTER_S,
        })
      const { view } = request.query
      const stream = new PassThrough()
      const send = (event: 'begin' | 'commit' | 'beat') =>
        stream.write(`event: ${event}\ndata: ${feed.head.sequence}\n\n`)
      const tell = () => {
        if (feed.isClosed) stream.end()
        else if (stream.readableLength === 0) send('commit')
      }
      const unwatch = feed.watch({ topic: view === undefined ? EVERYTHING : viewTopic(view) }, tell)
      const heartbeat = setInterval(
        () => stream.readableLength === 0 && send('beat'),
        depot.limits.unreadMs / HEARTBEATS_PER_UNREAD,
      ).unref()
      const end = setTimeout(() => stream.end(), LIFETIME_MS).unref()
      followers.add(stream)
      stream.once('close', () => {
        followers.delete(stream)
        clearInterval(heartbeat)
        clearTimeout(end)
        unwatch()
      })
      request.isHeld = true
      stream.write(`retry: ${RECONNECT_AFTER_MS}\n`)
      send('begin')
      return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
    },
  )
}
