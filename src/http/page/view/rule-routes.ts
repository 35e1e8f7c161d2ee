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
import { GatesForm, gatesBodyOf, gatesFormOf } from './gates-form.ts'
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
      const form = gatesFormOf(wireGateSettings(view.gates))
      return sendGates(request, reply, { view, form, fault: undefined })
    },
  )

  pages.post(
    '/views/:view/gates',
    { schema: { params, body: GatesForm.extend({ _csrf: z.string() }) }, onRequest: gateSettersOnly(depot) },
    async (request, reply) => {
      const view = await getView(db, request.params.view)
      request.subject = `gates of ${view.name}`
      try {
        const { override, ...body } = gatesBodyOf(request.body)
        await writer.submit({
          kind: 'setGates',
          input: { view: view.name, gates: gatesFromBody(body), ...(override !== undefined && { override }) },
          actor: actorOf(request, 'page'),
        })
      } catch (error) {
        if (!(error instanceof DepotError)) throw error
        request.refusal = `${error.code}: ${error.message}`
        request.refusalCode = error.code
        return sendGates(request, reply.code(error.code === 'forbidden' ? 403 : 400), {
          view,
          form: request.body,
          fault: error.message,
        })
      }
      return reply.redirect(request.visit.to(viewPath(view.name)), 303)
    },
  )

  async function sendGates(
    request: FastifyRequest,
    reply: FastifyReply,
    shown: Pick<Parameters<typeof gatesContent>[1], 'view' | 'form' | 'fault'>,
  ): Promise<FastifyReply> {
    const { view } = shown
    return reply.page(
      gatesContent(request.visit, {
        ...shown,
        views: await listViews(db),
        settings: wireGateSettings(view.gates),
        mayOverride: needsOverride(request, view),
      }),
    )
  }
}

/** Reports whether the caller may do this only by overriding the gates of the view. */
function needsOverride(request: FastifyRequest, { gates }: View): boolean {
  const requester = requesterOf(signedInAnyhow(request))
  return !requester.isAdministrator && mayOverride(requester, gates)
}
