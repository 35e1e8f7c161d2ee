import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../accounts/access.ts'
import { countPointers, findRevisionTime } from '../../views/content-store.ts'
import { getPastView, getViewById, listViews } from '../../views/view-store.ts'
import { actorOf } from '../request.ts'
import type { Door } from '../request.ts'
import { administratorOnly } from '../rights.ts'
import { orText } from './as-text.ts'
import { answers, textToo } from './answers.ts'
import { cutPage, placeIn } from './pages.ts'
import { FormatQuery, NewView, PageQuery, View, ViewDetail, ViewPath, Views } from './shapes.ts'
import { replyTagged } from './tagged.ts'
import { viewText, viewsText } from './text.ts'
import { wireView, wireViewDetail } from './wire.ts'

const tags = ['views']

export function viewRoutes(app: FastifyInstance, { depot }: Door): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/views',
    {
      schema: { tags, summary: 'The open views, in the order they were made', querystring: PageQuery, response: textToo(Views) },
      preSerialization: orText(viewsText),
    },
    async (request, reply) => {
      const question = { list: 'views' }
      const after = placeIn(request.query, question, z.int()) ?? 0
      const found = await listViews(depot.db, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, question, placeOf: (view) => view.id })
      return reply.send({ views: items.map(wireView), next })
    },
  )

  api.post(
    '/views',
    {
      schema: { tags, summary: 'Make a view (administrators of the depot)', body: NewView, response: answers(View, 201) },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      request.subject = `view ${request.body.name}`
      const view = await depot.writer.submit({ kind: 'createView', input: { ...request.body, maker: 'operator' }, actor: actorOf(request, 'api') })
      return reply.code(201).header('location', `/api/v1/views/${encodeURIComponent(view.name)}`).send(wireView(view))
    },
  )

  api.get(
    '/views/:view',
    {
      schema: { tags, summary: 'One view; its entity tag is its revision', params: ViewPath, querystring: FormatQuery, response: textToo(ViewDetail) },
      preSerialization: orText(viewText),
    },
    async (request, reply) => {
      const view = await getPastView(depot.db, request.params.view)
      return replyTagged(request, reply, `"${view.revision}"`, async () => {
        const revisedAt = await findRevisionTime(depot.db, view.id, view.revision)
        const base = view.preview === undefined ? undefined : await getViewById(depot.db, view.preview.baseId)
        return wireViewDetail(view, { revisedAt, packages: await countPointers(depot.db, view.id, audienceOf(request.caller)), previewOf: base?.name })
      })
    },
  )
}
