import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOfChanges } from '../../../access/access.ts'
import { expectTokenReachesView } from '../../../access/rights.ts'
import { filterVisiblePlans, getPlan, planNotFound } from '../../../revisions/plan-store.ts'
import { getView } from '../../../revisions/view-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayChange } from '../../requests/rights.ts'
import { Once, onceKey } from '../html/once.ts'
import { viewPath } from '../html/parts.ts'

const PreviewForm = z.object({ _csrf: z.string(), ...Once, name: z.string().trim().max(255) })

/** The route that makes a preview of a plan. `showForm` sends the page of the plan. */
export function previewRoutes(
  app: FastifyInstance,
  { depot }: RouteContext,
  showForm: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>,
): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/plans/:plan/preview',
    {
      schema: { params: z.object({ plan: z.string().max(100) }), body: PreviewForm },
      config: { showForm },
    },
    async (request, reply) => {
      const plan = await getPlan(depot.db, request.params.plan)
      const { name } = request.body
      request.subject = `preview ${name} of ${plan.view}`
      const caller = expectMayChange(request, await getView(depot.db, plan.view), [])
      expectTokenReachesView(caller, name)
      if ((await filterVisiblePlans(depot.db, [plan], audienceOfChanges(caller))).length === 0)
        throw planNotFound(plan.token)
      const input = { name, plan: plan.token, idempotency: onceKey(request) }
      const made = await depot.writer.submit({
        kind: 'makePreview',
        input,
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(viewPath(made.name)), 303)
    },
  )
}
