import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { formatPosition, parsePosition } from '../../../ledger/position.ts'
import { orText, prefersEvents } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { linkNext } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { readOrAwaitPage, parsePlace, positionAt, parseFilter } from './pages.ts'
import { EventStream, Events, EventsHeaders, EventsQuery, LedgerHead } from './shapes.ts'
import { EventStreams } from './stream.ts'
import { eventsText, ledgerText } from './text.ts'
import { wireEntry } from './wire.ts'

const tags = ['ledger']
const EVENT_STREAM = 'text/event-stream'

export function eventRoutes(app: FastifyInstance, context: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const { feed } = context
  const streams = new EventStreams(context)

  const described = textToo(Events)
  const stream = {
    [EVENT_STREAM]: { schema: EventStream },
  }
  api.get(
    '/events',
    {
      ...shows('view-in-query'),
      schema: {
        operationId: 'listEvents',
        tags,
        summary: 'Lists ledger entries, waits for new ones, or streams them',
        description:
          'Pages start after the entry that after names. With wait, an empty page is held until an entry arrives; the answer may also be empty when the time is over. With Accept: text/event-stream, entries are sent as they are committed. Continue after position, or with Last-Event-ID: nothing is missed and nothing comes twice. other_history means that the depot was restored from an older copy: read again from the beginning.',
        errors: ['conflict', 'other_history'],

        querystring: EventsQuery,
        headers: EventsHeaders,
        response: {
          ...described,
          200: { ...described[200], content: { ...described[200].content, ...stream } },
        },
      },
      preSerialization: orText(eventsText),
    },
    async (request, reply) => {
      const { after, format } = request.query
      if (format === undefined && prefersEvents(request)) {
        const start = request.headers['last-event-id'] ?? after
        const place = await parsePlace(start ?? String(feed.head.sequence), feed)
        const isMarked =
          feed.incarnation !== undefined || (start !== undefined && parsePosition(start).mark !== undefined)
        const firstId = isMarked ? await positionAt(place, feed) : String(place)
        reply.headers({
          'content-type': EVENT_STREAM,
          'cache-control': 'no-store',
          vary: 'accept, authorization',
          'x-accel-buffering': 'no',
        })
        const filter = parseFilter(request.query)
        return (reply as FastifyReply).send(
          request.method === 'HEAD' ? '' : streams.open(request, { after: place, firstId, isMarked, filter }),
        )
      }
      const { entries, through } = await readOrAwaitPage(
        context,
        { request, reply },
        { ...request.query, after: await parsePlace(after ?? '0', feed), filter: parseFilter(request.query) },
      )
      const position = await positionAt(through, feed)
      const next = through < feed.head.sequence ? linkNext(request, reply, { after: position }) : null
      return reply.send({ events: entries.map(wireEntry), through, position, next })
    },
  )

  api.get(
    '/ledger',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'getLedgerHead',
        tags,
        summary: 'Shows the last entry of the ledger',
        description: 'Its position is the place from which to wait for new entries.',

        querystring: FormatQuery,
        response: textToo(LedgerHead),
      },
      preSerialization: orText(ledgerText),
    },
    async (_request, reply) => {
      const { sequence, hash, at } = feed.head
      return reply.send({
        sequence,
        hash,
        at: wireTime(at),
        position: formatPosition(sequence, { hash }),
        incarnation: feed.incarnation ?? null,
      })
    },
  )
}
