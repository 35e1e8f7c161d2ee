import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { getView } from '../../revisions/view-store.ts'
import { actorOf } from '../requests/request.ts'
import type { RouteContext } from '../requests/request.ts'
import { mayChange, mayChangeView } from '../requests/rights.ts'
import { textToo } from './answers.ts'
import { orText } from '../requests/as-text.ts'
import { parseChange, parseOptions, originsOf, subjectOf } from './parse-change.ts'
import { SET_BODY } from './bodies.ts'
import { DemotionBody, PromotionAnswer, PromotionBody, RevertBody, RollbackBody } from './change-shapes.ts'
import { promotionText } from './change-text.ts'
import { wirePromotion } from './change-wire.ts'
import { FormatQuery, PromotionHeaders, ViewPath } from './shapes.ts'

const tags = ['promotions']

const ROUTES = [
  [
    '/views/:view/promotions',
    'promote',
    PromotionBody,
    'Promote releases into a view: all of them, in one revision, or none; 10,000 at most',
  ],
  [
    '/views/:view/demotions',
    'demote',
    DemotionBody,
    'Take releases out of a view: all of them, in one revision, or none',
  ],
  [
    '/views/:view/rollbacks',
    'rollback',
    RollbackBody,
    'Make a view what it was at a revision or a time, in a new revision; what cannot come back is a conflict',
  ],
  [
    '/views/:view/reverts',
    'revert',
    RevertBody,
    'Take one revision of a view back, in a new revision, and leave what came later; what has moved on since is a conflict',
  ],
] as const

export function promotionRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  for (const [url, act, body, summary] of ROUTES) {
    const schema = {
      tags,
      summary,
      params: ViewPath,
      querystring: FormatQuery,
      body,
      headers: PromotionHeaders,
      response: textToo(PromotionAnswer),
    }
    api.post(
      url,
      {
        schema,
        ...((act === 'promote' || act === 'demote') && SET_BODY),
        onRequest: mayChangeView(depot),
        preSerialization: orText(promotionText),
      },
      async (request, reply) => {
        const view = await getView(depot.db, request.params.view)
        request.subject = subjectOf(act, view.name, request.body)
        const caller = mayChange(request, view, originsOf(request.body))
        const how = parseOptions({
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: request.body,
        })
        const change = await parseChange(depot, act, { view: view.name, body: request.body, caller })
        const outcome = await depot.writer.submit({
          kind: 'changeView',
          input: { request: change, ...how },
          actor: actorOf(request, 'api'),
        })
        return reply.header('etag', `"${outcome.revision}"`).send(wirePromotion(outcome))
      },
    )
  }
}
