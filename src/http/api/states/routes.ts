import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { audienceOfChanges } from '../../../access/access.ts'
import { planState } from '../../../commands/views/plan-state.ts'
import { findState } from '../../../database/state-store.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError } from '../../../errors.ts'
import { nextTurn, yielding } from '../../../ledger/read-ahead.ts'
import type { DesiredView } from '../../../views/desired-state.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAnyhow } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { gatesFromBody } from '../gates/wire.ts'
import { LARGE_BODY } from '../promotions/body-limit.ts'
import { withTargets } from '../promotions/parse-change.ts'
import { ApplyStateBody, StateAnswer, StateBody, StatePlan } from './shapes.ts'
import { stateAnswerText, statePlanText } from './text.ts'
import { wireStateAnswer, wireStatePlan } from './wire.ts'

const tags = ['views']

/** Routes that compare several views with a desired state, and change them to it. */
export function stateRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.post(
    '/states/plan',
    {
      schema: {
        operationId: 'planState',
        tags,
        summary: 'Shows what would change if views became as described',
        description:
          'For signed-in callers. Nothing is stored or changed, so repeating the request is safe. The answer also shows what blocks the changes; mistakes in the description are an error that lists all of them.',
        errors: ['forbidden', 'ident_malformed', 'not_found'],

        querystring: FormatQuery,
        body: StateBody,
        response: textToo(StatePlan),
      },
      ...LARGE_BODY,
      onRequest: needs('read'),
      preSerialization: orText(statePlanText),
    },
    async (request, reply) => {
      const caller = signedInAnyhow(request)
      const setBackAt = await findState(depot.db, 'clock_set_back_at')
      const db = yielding(depot.db) // a plan of thousands of releases must not hold up polls
      const { plan } = await planState(
        {
          db,
          read: async (_name, _basis, act) => {
            const value = await act(db)
            await nextTurn()
            return value
          },
          clock: { now: depot.now(), setBackAt: setBackAt === undefined ? undefined : Number(setBackAt) },
          caller,
        },
        await desiredViews(depot, request),
      )
      return reply.send(wireStatePlan(plan))
    },
  )

  api.post(
    '/states',
    {
      schema: {
        operationId: 'applyState',
        tags,
        summary: 'Makes several views as described, or none',
        description:
          'Creates and closes views, and sets their rules, gates and contents, in one transaction; views that are not named stay. Rules, gates, creating and closing need an administrator; contents need the rights of a promotion into the view. A view changes before the views that require it, and its new contents must pass its new gates. If `plan` is given and the present plan is another one, answers 412 stale_plan with the present plan. Safe to repeat with an Idempotency-Key: the answer is kept for 7 days.',
        errors: [
          'conflict',
          'forbidden',
          'idempotency_mismatch',
          'ident_malformed',
          'not_found',
          'refused',
          'stale_plan',
        ],

        querystring: FormatQuery,
        headers: IdempotencyHeaders,
        body: ApplyStateBody,
        response: textToo(StateAnswer),
      },
      ...LARGE_BODY,
      onRequest: async (request) => void signedInAnyhow(request),
      preSerialization: orText(stateAnswerText),
    },
    async (request, reply) => {
      const { plan, reason, override } = request.body
      request.subject = `state of ${Object.keys(request.body.views).slice(0, 10).join(', ')}`
      const applied = await depot.writer.submit({
        kind: 'applyState',
        input: {
          views: await desiredViews(depot, request),
          ...(plan !== undefined && { plan }),
          ...(reason !== undefined && { reason }),
          ...(override !== undefined && { override }),
          ...idempotencyOf(request),
        },
        actor: actorOf(request, 'api'),
      })
      if ('stale' in applied)
        throw new DepotError('stale_plan', 'the plan is stale: the views would change in another way now', {
          more: { plan: wireStatePlan(applied.stale) },
        })
      return reply.send(wireStateAnswer(applied))
    },
  )
}

type RequestWithState = FastifyRequest<{ Body: z.infer<typeof StateBody> }>

/** Converts a body to desired views. Throws `invalid_request` for contents whose target is not clear. */
async function desiredViews(depot: Depot, request: RequestWithState): Promise<DesiredView[]> {
  const views = Object.entries(request.body.views)
  const listed = views.flatMap(([view, { contents = [] }]) =>
    contents.map((release, index) => ({ view, release, pointer: `/views/${view}/contents/${index}` })),
  )
  const named = await withTargets(
    depot.db,
    listed.map(({ release }) => release),
    {
      audience: audienceOfChanges(signedInAnyhow(request)),
      pointerTo: (index) => listed[index]?.pointer ?? '',
    },
  )
  const contents = Map.groupBy(
    named.map((release, index) => ({ release, view: listed[index]?.view })),
    ({ view }) => view,
  )
  const contentsOf = (view: string) => (contents.get(view) ?? []).map(({ release }) => release)
  return views.map(([view, { closed, rule, ungoverned, gates, ...desired }]) => ({
    view,
    ...(closed && { isClosed: closed }),
    ...(rule !== undefined && { rule }),
    ...(ungoverned !== undefined && { ungoverned }),
    ...(gates !== undefined && { gates: gatesFromBody(gates) }),
    ...(desired.contents !== undefined && { contents: contentsOf(view) }),
  }))
}
