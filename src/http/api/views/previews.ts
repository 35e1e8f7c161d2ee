import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOfChanges } from '../../../access/access.ts'
import { expectAdministrator, expectTokenReachesView } from '../../../access/rights.ts'
import { DepotError } from '../../../errors.ts'
import { filterVisiblePlans, getPlan, planNotFound } from '../../../revisions/plan-store.ts'
import { getView } from '../../../revisions/view-store.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayChange, viewChangersOnly, signedInAnyhow, signedInOnly } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { answers } from '../conventions/responses.ts'
import { ViewPath } from '../conventions/shapes.ts'
import { PreviewBody, View } from './shapes.ts'
import { wireView } from './wire.ts'

const tags = ['rules of views']

/** Adds the routes that make and delete previews. `DELETE /views/:view` also closes views of other kinds. */
export function previewRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.post(
    '/views/:view/previews',
    {
      schema: {
        operationId: 'createPreview',
        tags,
        summary: 'Creates a preview of a plan',
        description:
          'A preview is a view that shows this view with the plan applied, to every client. It follows the view, and ends when the plan is applied or the preview is deleted. A view has at most 10 previews, with 10,000 pointers together. With an Idempotency-Key, a repeated request changes nothing and gets the same preview for seven days.',
        errors: [
          'already_exists',
          'conflict',
          'forbidden',
          'idempotency_mismatch',
          'not_found',
          'refused',
          'too_large',
        ],

        params: ViewPath,
        headers: IdempotencyHeaders,
        body: PreviewBody,
        response: answers(View, 201),
      },
      onRequest: viewChangersOnly(depot),
    },
    async (request, reply) => {
      const view = await getView(depot.db, request.params.view)
      const { name, plan: token } = request.body
      request.subject = `preview ${name} of ${view.name}`
      const caller = expectMayChange(request, view, [])
      expectTokenReachesView(caller, name)
      const plan = await getPlan(depot.db, token)
      if ((await filterVisiblePlans(depot.db, [plan], audienceOfChanges(caller))).length === 0)
        throw planNotFound(token)
      if (plan.view !== view.name)
        throw new DepotError('invalid_request', `the plan is for ${plan.view}, not for ${view.name}`)
      const made = await depot.writer.submit({
        kind: 'makePreview',
        input: { name, plan: token, ...idempotencyOf(request) },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(201)
        .header('location', `${request.publicPath}/api/v1/views/${encodeURIComponent(made.name)}`)
        .send(wireView(made))
    },
  )

  api.delete(
    '/views/:view',
    {
      schema: {
        operationId: 'deleteView',
        tags,
        summary: 'Deletes a preview, or closes a view',
        description:
          'A preview may be deleted by its author, and by those who may change the view that it previews. Any other view may be closed by administrators, if it is empty (a rollback to revision 0 empties it), is not frozen, and no gate of another view requires it. Its history stays readable.',
        errors: ['conflict', 'forbidden', 'not_found', 'refused'],

        params: ViewPath,
        response: answers(z.undefined().describe('deleted'), 204),
      },
      onRequest: signedInOnly,
    },
    async (request, reply) => {
      const view = await getView(depot.db, request.params.view)
      const { name } = view
      request.subject = `delete ${name}`
      const actor = actorOf(request, 'api')
      if (view.preview === undefined) {
        expectAdministrator(signedInAnyhow(request))
        await depot.writer.submit({ kind: 'closeView', input: { view: name }, actor })
      } else {
        expectMayChange(request, view, [])
        await depot.writer.submit({ kind: 'dropPreview', input: { name }, actor })
      }
      return reply.code(204).send()
    },
  )
}
