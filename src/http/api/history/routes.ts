import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { getRevision, listRevisions } from '../../../revisions/history-store.ts'
import { getPastView } from '../../../revisions/view-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { textToo } from '../conventions/responses.ts'
import { orText } from '../../requests/as-text.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import {
  FormatQuery,
  History,
  PageQuery,
  RevisionPath,
  RevisionShape,
  ViewPath,
} from '../conventions/shapes.ts'
import { historyText, revisionText } from '../conventions/text.ts'
import { wireRevision } from '../conventions/wire.ts'

const tags = ['history of views']

export function historyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/views/:view/history',
    {
      schema: {
        tags,
        summary: 'The revisions of a view, newest first',
        params: ViewPath,
        querystring: PageQuery,
        response: textToo(History),
      },
      preSerialization: orText(historyText),
    },
    async (request, reply) => {
      const view = await getPastView(depot.db, request.params.view)
      const question = { list: 'history', view: view.name }
      const before = placeIn(request.query, question, z.int()) ?? view.revision + 1
      const found = await listRevisions(
        depot.db,
        view,
        { before, limit: request.query.limit + 1 },
        audienceOf(request.caller),
      )
      const { items, next } = cutPage(request, reply, {
        items: found,
        question,
        placeOf: ({ revision }) => revision,
      })
      return reply.send({ view: view.name, revisions: items.map(wireRevision), next })
    },
  )

  api.get(
    '/views/:view/revisions/:revision',
    {
      schema: {
        tags,
        summary: 'One revision of a view',
        params: RevisionPath,
        querystring: FormatQuery,
        response: textToo(RevisionShape),
      },
      preSerialization: orText(revisionText),
    },
    async (request, reply) => {
      const view = await getPastView(depot.db, request.params.view)
      const revision = await getRevision(
        depot.db,
        view,
        Number(request.params.revision),
        audienceOf(request.caller),
      )
      return reply.send(wireRevision(revision))
    },
  )
}
