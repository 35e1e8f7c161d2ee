import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { viewTopic } from '../../../following/feed.ts'
import type { WakeReason } from '../../../following/feed.ts'
import { findHeadOf } from '../../../ledger/ledger-store.ts'
import { formatPosition } from '../../../ledger/position.ts'
import { countPointers } from '../../../revisions/content-store.ts'
import { getPastView, getViewById, listViews } from '../../../revisions/view-store.ts'
import { digestOfSettings } from '../../../views/settings-digest.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { digestOf, isKnown, replyTagged, settingsDigestIn, tagOf } from '../conventions/entity-tags.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { deadlineOf, longPoll } from '../conventions/long-poll.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery, ViewPath, Wait } from '../conventions/shapes.ts'
import { parseOptions } from '../promotions/parse-change.ts'
import { PromotionHeaders } from '../promotions/shapes.ts'
import { wirePromotion } from '../promotions/wire.ts'
import { NewView, View, ViewChange, ViewBody, ViewDetail, Views } from './shapes.ts'
import { viewChangeText, viewText, viewsText } from './text.ts'
import { wireView, wireViewDetail } from './wire.ts'

const tags = ['views']
/** How often a view that changed while it was read is read again. */
const MAX_REREADS = 3
const ViewQuery = FormatQuery.extend({ wait: Wait })

export function viewRoutes(app: FastifyInstance, context: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const { depot, feed } = context

  api.get(
    '/views',
    {
      schema: {
        operationId: 'listViews',
        tags,
        summary: 'Lists the open views',
        description: 'In the order of their creation. Closed views are omitted.',

        querystring: PageQuery,
        response: textToo(Views),
      },
      preSerialization: orText(viewsText),
    },
    async (request, reply) => {
      const listKey = { list: 'views' }
      const after = placeIn(request.query, listKey, z.int()) ?? 0
      const found = await listViews(depot.db, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: (view) => view.id })
      return reply.send({ views: items.map(wireView), next })
    },
  )

  api.post(
    '/views',
    {
      schema: {
        operationId: 'createView',
        tags,
        summary: 'Creates a view',
        description:
          'Administrators only. The view is empty, at revision 0, and without rules. With an Idempotency-Key, a repeated request changes nothing and gets the same view for seven days.',
        errors: ['already_exists', 'forbidden', 'idempotency_mismatch'],

        headers: IdempotencyHeaders,
        body: NewView,
        response: answers(View, 201),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = `view ${request.body.name}`
      const view = await depot.writer.submit({
        kind: 'createView',
        input: { ...request.body, maker: 'operator', ...idempotencyOf(request) },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(201)
        .header('location', `${request.publicPath}/api/v1/views/${encodeURIComponent(view.name)}`)
        .send(wireView(view))
    },
  )

  api.put(
    '/views/:view',
    {
      schema: {
        operationId: 'changeView',
        tags,
        summary: 'Sets the rule and the ungoverned origins of a view',
        description:
          'Administrators only. Absent fields keep their values. A changed rule makes a revision, in which latest of each package follows the new rule; the gates of the view apply. With the entity tag of the view as If-Match, ungoverned origins that somebody else has replaced are not overwritten: the answer is then 412 stale_settings. Safe to repeat.',
        errors: [
          'conflict',
          'forbidden',
          'idempotency_mismatch',
          'not_found',
          'other_history',
          'refused',
          'stale_revision',
          'stale_settings',
        ],

        params: ViewPath,
        querystring: FormatQuery,
        headers: PromotionHeaders,
        body: ViewBody,
        response: textToo(ViewChange),
      },
      onRequest: administratorOnly,
      preSerialization: orText(viewChangeText),
    },
    async (request, reply) => {
      const { rule, ungoverned } = request.body
      request.subject = `view ${request.params.view}${rule === undefined ? '' : `, rule ${rule}`}`
      const options = parseOptions({
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: request.body,
      })
      const readUngoverned = settingsDigestIn(request.headers['if-match'])
      const input = {
        view: request.params.view,
        ...(rule !== undefined && { rule }),
        ...(ungoverned !== undefined && { ungoverned }),
        ...(readUngoverned !== undefined && { readUngoverned }),
        ...options,
      }
      const { view, promotion } = await depot.writer.submit({
        kind: 'setView',
        input,
        actor: actorOf(request, 'api'),
      })
      return reply
        .header('etag', `"${view.revision}-${digestOfSettings(view.ungoverned)}"`)
        .send({ view: wireView(view), change: promotion === undefined ? null : wirePromotion(promotion) })
    },
  )

  api.get(
    '/views/:view',
    {
      ...shows('view'),
      schema: {
        operationId: 'getView',
        tags,
        summary: 'Shows a view, or waits until it changes',
        description:
          'The entity tag starts with the revision and can be sent as If-Match of a change. With wait, the answer comes when the tag differs from If-None-Match, or is 304 when the time is over; ask again then.',
        errors: ['not_found'],

        params: ViewPath,
        querystring: ViewQuery,
        response: textToo(ViewDetail),
      },
      preSerialization: orText(viewText),
    },
    async (request, reply) => {
      const deadline = deadlineOf(request.query.wait)
      let rereads = 0
      for (let reason: WakeReason = 'committed'; ;) {
        const after = feed.head.sequence
        const view = await getPastView(depot.db, request.params.view)
        const entry = await findHeadOf(depot.db, view.id, view.revision)
        const base = view.preview === undefined ? undefined : await getViewById(depot.db, view.preview.baseId)
        const body = wireViewDetail(view, {
          entry,
          packages: await countPointers(depot.db, view.id, audienceOf(request.caller)),
          previewOf: base?.name,
          now: depot.now(),
        })
        // The count may be of a later revision than the rest. A view that always changes is answered anyway.
        const isMixed = async () =>
          (await getPastView(depot.db, request.params.view)).revision !== view.revision
        if (rereads < MAX_REREADS && (await isMixed())) {
          rereads += 1
          continue
        }
        const tag = tagOf(
          request,
          formatPosition(view.revision, entry),
          digestOfSettings(view.ungoverned),
          digestOf(body),
        )
        if (deadline === undefined || reason !== 'committed' || !isKnown(request, tag))
          return replyTagged(request, reply, { tag, body })
        reason = await longPoll(context, { request, reply }, { topic: viewTopic(view.name), after, deadline })
      }
    },
  )
}
