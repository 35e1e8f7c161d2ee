import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { getView, listViews } from '../../../revisions/view-store.ts'
import { mayOverride, requesterOf } from '../../../views/gates.ts'
import type { View } from '../../../views/view.ts'
import { gatesFromBody } from '../../api/gates/wire.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { gateSettersOnly, signedInAnyhow } from '../../requests/rights.ts'
import { viewPath } from '../html/parts.ts'
import { GatesForm, gatesBodyOf } from './gates-form.ts'
import { gatesContent } from './gates-templates.ts'

const params = z.object({ view: z.string() })

/** Routes for the form that replaces the gates of a view. */
export function ruleRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer } = depot

  const showForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const view = await getView(db, params.parse(request.params).view)
    const views = await listViews(db)
    return reply.page(gatesContent(request.visit, { view, views, mayOverride: needsOverride(request, view) }))
  }
  pages.get('/views/:view/gates', { schema: { params }, onRequest: gateSettersOnly(depot) }, showForm)

  pages.post(
    '/views/:view/gates',
    {
      schema: { params, body: GatesForm.extend({ _csrf: z.string() }) },
      onRequest: gateSettersOnly(depot),
      config: { showForm },
    },
    async (request, reply) => {
      const { name: view } = await getView(db, request.params.view)
      request.subject = `gates of ${view}`
      const { override, ...body } = gatesBodyOf(request.body)
      const { read } = request.body
      await writer.submit({
        kind: 'setGates',
        input: { view, gates: gatesFromBody(body), read, ...(override !== undefined && { override }) },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(viewPath(view)), 303)
    },
  )
}

/** Reports whether the caller may do this only by overriding the gates of the view. */
function needsOverride(request: FastifyRequest, { gates }: View): boolean {
  const requester = requesterOf(signedInAnyhow(request))
  return !requester.isAdministrator && mayOverride(requester, gates)
}
