import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { DepotError } from '../../../errors.ts'
import { getView, listViews } from '../../../revisions/view-store.ts'
import { mayOverride, requesterOf } from '../../../views/gates.ts'
import type { View } from '../../../views/view.ts'
import { gatesFromBody, wireGateSettings } from '../../api/gates/wire.ts'
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

  pages.get(
    '/views/:view/gates',
    { schema: { params }, onRequest: gateSettersOnly(depot) },
    async (request, reply) => {
      const view = await getView(db, request.params.view)
      return sendGates(request, reply, { view, settings: wireGateSettings(view.gates), fault: undefined })
    },
  )

  pages.post(
    '/views/:view/gates',
    { schema: { params, body: GatesForm.extend({ _csrf: z.string() }) }, onRequest: gateSettersOnly(depot) },
    async (request, reply) => {
      const view = await getView(db, request.params.view)
      request.subject = `gates of ${view.name}`
      let settings = wireGateSettings(view.gates)
      try {
        const { override, ...body } = gatesBodyOf(request.body)
        settings = body
        await writer.submit({
          kind: 'setGates',
          input: { view: view.name, gates: gatesFromBody(body), ...(override !== undefined && { override }) },
          actor: actorOf(request, 'page'),
        })
      } catch (error) {
        if (!(error instanceof DepotError)) throw error
        request.refusal = `${error.code}: ${error.message}`
        request.refusalCode = error.code
        const fault = error.message
        return sendGates(request, reply.code(error.code === 'forbidden' ? 403 : 400), {
          view,
          settings,
          fault,
        })
      }
      return reply.redirect(request.visit.to(viewPath(view.name)), 303)
    },
  )

  async function sendGates(
    request: FastifyRequest,
    reply: FastifyReply,
    shown: Pick<Parameters<typeof gatesContent>[1], 'view' | 'settings' | 'fault'>,
  ): Promise<FastifyReply> {
    const views = await listViews(db)
    return reply.page(
      gatesContent(request.visit, { ...shown, views, mayOverride: needsOverride(request, shown.view) }),
    )
  }
}

/** Reports whether the caller may do this only by overriding the gates of the view. */
function needsOverride(request: FastifyRequest, { gates }: View): boolean {
  const requester = requesterOf(signedInAnyhow(request))
  return !requester.isAdministrator && mayOverride(requester, gates)
}
