import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayChange, viewChangersOnly, viewToChange } from '../../requests/rights.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, ViewPath } from '../conventions/shapes.ts'
import { LARGE_BODY } from './body-limit.ts'
import { originsOf, parseChange, parseOptions, subjectOf } from './parse-change.ts'
import {
  DemotionBody,
  ERRORS_OF_CHANGES,
  EXAMPLE_UNDO,
  PromotionAnswer,
  PromotionBody,
  PromotionHeaders,
  RevertBody,
  RollbackBody,
} from './shapes.ts'
import { promotionText } from './text.ts'
import { outcomeIfUnchanged } from './unchanged.ts'
import { wirePromotion } from './wire.ts'

const tags = ['promotions']

const ONCE =
  'Send an Idempotency-Key or expect_revision, so that a repeated request cannot change the view twice: the answer to a key is kept for 7 days.'

const ROUTES = [
  {
    url: '/views/:view/promotions',
    act: 'promote',
    body: PromotionBody,
    summary: 'Promotes releases into a view',
    description: `All or none, in one revision: listed ones (at most 10,000), the latest releases of another view, or those of a lockfile. Answers with changed: false if all of them are latest already. ${ONCE}`,
  },
  {
    url: '/views/:view/demotions',
    act: 'demote',
    body: DemotionBody,
    summary: 'Removes releases from a view',
    description: `All or none, in one revision. latest becomes the release that the rule of the view gives next. ${ONCE}`,
  },
  {
    url: '/views/:view/rollbacks',
    act: 'rollback',
    body: RollbackBody,
    summary: 'Restores an earlier state of a view',
    description: `In a new revision. origin, name or both restrict it to these packages. 409 conflict lists the releases that cannot be restored. ${ONCE}`,
  },
  {
    url: '/views/:view/reverts',
    act: 'revert',
    body: RevertBody,
    summary: 'Undoes one revision of a view',
    description: `In a new revision; later revisions are kept. 409 conflict lists the packages that have changed again since. ${ONCE}`,
  },
] as const

export function promotionRoutes(app: FastifyInstance, context: RouteContext): void {
  const { depot } = context
  const api = app.withTypeProvider<ZodTypeProvider>()
  for (const { url, act, body, summary, description } of ROUTES) {
    const schema = {
      operationId: act,
      tags,
      summary,
      description,
      errors: [...ERRORS_OF_CHANGES, 'idempotency_mismatch', 'stale_revision'] as const,
      params: ViewPath,
      querystring: FormatQuery,
      body,
      headers: PromotionHeaders,
      ...(act !== 'promote' && { examples: { answer: EXAMPLE_UNDO } }),
      response: textToo(PromotionAnswer),
    }
    api.post(
      url,
      {
        schema,
        ...((act === 'promote' || act === 'demote') && LARGE_BODY),
        onRequest: viewChangersOnly(depot),
        preSerialization: orText(promotionText),
      },
      async (request, reply) => {
        const view = await viewToChange(request, depot)
        request.subject = subjectOf(act, view.name, request.body)
        const caller = expectMayChange(request, view, originsOf(request.body))
        const options = parseOptions({
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: request.body,
        })
        const change = await parseChange(depot, act, { view: view.name, body: request.body, caller })
        const outcome =
          (await outcomeIfUnchanged(request, context, { change, options })) ??
          (await depot.writer.submit({
            kind: 'changeView',
            input: { request: change, ...options },
            actor: actorOf(request, 'api'),
          }))
        return reply.header('etag', `"${outcome.revision}"`).send(wirePromotion(outcome))
      },
    )
  }
}
