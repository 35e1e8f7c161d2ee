import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { getView } from '../../../revisions/view-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { mayChange, mayChangeView } from '../../requests/rights.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, ViewPath } from '../conventions/shapes.ts'
import { SET_BODY } from './body-limit.ts'
import { originsOf, parseChange, parseOptions, subjectOf } from './parse-change.ts'
import {
  DemotionBody,
  PromotionAnswer,
  PromotionBody,
  PromotionHeaders,
  RevertBody,
  RollbackBody,
} from './shapes.ts'
import { promotionText } from './text.ts'
import { wirePromotion } from './wire.ts'

const tags = ['promotions']

const ROUTES = [
  [
    '/views/:view/promotions',
    'promote',
    PromotionBody,
    'Promotes at most 10,000 releases into a view, in one revision. Either all are promoted or none',
  ],
  [
    '/views/:view/demotions',
    'demote',
    DemotionBody,
    'Removes releases from a view, in one revision. Either all are removed or none',
  ],
  [
    '/views/:view/rollbacks',
    'rollback',
    RollbackBody,
    'Restores the state of a view at a revision or a time, in a new revision. Answers 409 if releases cannot be restored',
  ],
  [
    '/views/:view/reverts',
    'revert',
    RevertBody,
    'Undoes one revision of a view, in a new revision, and keeps later ones. Answers 409 if packages have changed again since',
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
        const options = parseOptions({
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: request.body,
        })
        const change = await parseChange(depot, act, { view: view.name, body: request.body, caller })
        const outcome = await depot.writer.submit({
          kind: 'changeView',
          input: { request: change, ...options },
          actor: actorOf(request, 'api'),
        })
        return reply.header('etag', `"${outcome.revision}"`).send(wirePromotion(outcome))
      },
    )
  }
}
