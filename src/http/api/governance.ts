import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { expectView } from '../../accounts/rights.ts'
import { DepotError } from '../../errors.ts'
import { getPlan } from '../../views/plan-store.ts'
import { getPastView, getView } from '../../views/view-store.ts'
import { actorOf } from '../request.ts'
import type { Door } from '../request.ts'
import { administratorOnly, mayChange, mayChangeView, needs } from '../rights.ts'
import { answers, textToo } from './answers.ts'
import { orText } from './as-text.ts'
import { FreezeBody, GatesBody, GatesShape, PreviewBody } from './change-shapes.ts'
import { gatesText } from './change-text.ts'
import { gatesOf, wireGates } from './change-wire.ts'
import { FormatQuery, View, ViewPath } from './shapes.ts'
import { wireView } from './wire.ts'

const tags = ['rules of views']

/** What a view lets happen, and views of what would happen. */
export function governanceRoutes(app: FastifyInstance, { depot }: Door): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/views/:view/gates',
    { schema: { tags, summary: "A view's rules", params: ViewPath, querystring: FormatQuery, response: textToo(GatesShape) }, preSerialization: orText(gatesText) },
    async (request, reply) => reply.send(wireGates(await getPastView(depot.db, request.params.view))),
  )

  api.put(
    '/views/:view/gates',
    { schema: { tags, summary: "Set a view's rules, all of them (administrators of the depot)", params: ViewPath, body: GatesBody, response: answers(GatesShape) }, onRequest: administratorOnly },
    async (request, reply) => {
      request.subject = `gates of ${request.params.view}`
      const view = await depot.writer.submit({ kind: 'govern', input: { view: request.params.view, gates: gatesOf(request.body) }, actor: actorOf(request, 'api') })
      return reply.send(wireGates(view))
    },
  )

  api.put(
    '/views/:view/freeze',
    { schema: { tags, summary: 'Let nothing move, until a time or until it is thawed (administrators, and who was named to change the view)', params: ViewPath, body: FreezeBody, response: answers(GatesShape) }, onRequest: mayChangeView(depot) },
    async (request, reply) => {
      const view = await getView(depot.db, request.params.view)
      request.subject = `freeze ${view.name}`
      mayChange(request, view, [])
      const { reason, until } = request.body
      const input = { view: view.name, reason, ...(until !== undefined && { until: Date.parse(until) }) }
      return reply.send(wireGates(await depot.writer.submit({ kind: 'freeze', input, actor: actorOf(request, 'api') })))
    },
  )

  api.delete(
    '/views/:view/freeze',
    { schema: { tags, summary: 'Let a view change again', params: ViewPath, response: answers(GatesShape) }, onRequest: mayChangeView(depot) },
    async (request, reply) => {
      const view = await getView(depot.db, request.params.view)
      request.subject = `thaw ${view.name}`
      mayChange(request, view, [])
      return reply.send(wireGates(await depot.writer.submit({ kind: 'thaw', input: { view: view.name }, actor: actorOf(request, 'api') })))
    },
  )

  api.post(
    '/views/:view/previews',
    { schema: { tags, summary: 'Make a view that is this one with what a plan would do; it goes when the plan is applied or it is dropped', params: ViewPath, body: PreviewBody, response: answers(View, 201) }, onRequest: mayChangeView(depot) },
    async (request, reply) => {
      const view = await getView(depot.db, request.params.view)
      const { name, plan: token } = request.body
      request.subject = `preview ${name} of ${view.name}`
      expectView(mayChange(request, view, []), name)
      const plan = await getPlan(depot.db, token)
      if (plan.view !== view.name) throw new DepotError('invalid_request', `the plan is for ${plan.view}, not for ${view.name}`)
      const made = await depot.writer.submit({ kind: 'makePreview', input: { name, plan: token }, actor: actorOf(request, 'api') })
      return reply.code(201).header('location', `${request.publicPath}/api/v1/views/${encodeURIComponent(made.name)}`).send(wireView(made))
    },
  )

  api.delete(
    '/views/:view',
    { schema: { tags, summary: 'Drop a preview; other views stay', params: ViewPath, response: answers(z.undefined().describe('gone'), 204) }, onRequest: needs('promote') },
    async (request, reply) => {
      const view = await getView(depot.db, request.params.view)
      request.subject = `drop ${view.name}`
      mayChange(request, view, [])
      await depot.writer.submit({ kind: 'dropPreview', input: { name: view.name }, actor: actorOf(request, 'api') })
      return reply.code(204).send()
    },
  )
}
