import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf, audienceOfChanges } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import type { Applied } from '../../../commands/views/apply-plan.ts'
import type { PromotionOutcome } from '../../../commands/views/make-revision.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError } from '../../../errors.ts'
import {
  findPlan,
  getPlan,
  listProposals,
  filterVisiblePlans,
  planNotFound,
} from '../../../revisions/plan-store.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import { getPastView, getView } from '../../../revisions/view-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import {
  expectMayChange,
  viewChangersOnly,
  expectMayDecideProposal,
  needs,
  signedIn,
} from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery, ViewPath } from '../conventions/shapes.ts'
import { LARGE_BODY } from '../promotions/body-limit.ts'
import { originsOf, parseChange, subjectOf } from '../promotions/parse-change.ts'
import { ERRORS_OF_CHANGES, PromotionAnswer } from '../promotions/shapes.ts'
import { promotionText } from '../promotions/text.ts'
import { wirePromotion } from '../promotions/wire.ts'
import { ApplyBody, Plan, PlanBody, PlanPath, Proposals, RejectBody } from './shapes.ts'
import { planText, proposalsText } from './text.ts'
import { wirePlan } from './wire.ts'

const tags = ['plans and proposals']

/** `open` lists proposals that wait for approval. */
const ProposalsQuery = PageQuery.extend({ state: z.enum(['open', 'all']).default('open') })

export function planRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  for (const { url, kind, ...texts } of [
    {
      url: '/views/:view/plans',
      kind: 'draftPlan',
      operationId: 'createPlan',
      summary: 'Plans a change without making it',
      description:
        'Shows what the change would add, move and downgrade, what blocks it, and what is missing. The plan can be applied for 60 minutes, while the view is at the same revision. The depot keeps the last 100 plans of an account. Repeating the request makes another plan, unless it has the same Idempotency-Key: then it gets the same plan, for as long as the depot keeps it.',
    },
    {
      url: '/views/:view/proposals',
      kind: 'propose',
      operationId: 'propose',
      summary: 'Proposes a change that a second person must approve',
      description:
        'The proposal can be approved for 7 days, or for as long as the rules of the view say, while it would have the same effect. A view has at most 100 open proposals. Repeating the request makes another proposal, unless it has the same Idempotency-Key: then it gets the same proposal for seven days.',
    },
  ] as const) {
    const schema = {
      tags,
      ...texts,
      errors: [...ERRORS_OF_CHANGES, 'idempotency_mismatch'] as const,
      params: ViewPath,
      querystring: FormatQuery,
      headers: IdempotencyHeaders,
      body: PlanBody,
      response: textToo(Plan, 201),
    }
    api.post(
      url,
      { schema, ...LARGE_BODY, onRequest: viewChangersOnly(depot), preSerialization: orText(planText) },
      async (request, reply) => {
        const view = await getView(depot.db, request.params.view)
        const { act, reason, ...body } = request.body
        request.subject = `${kind === 'propose' ? 'propose' : 'plan'} ${subjectOf(act, view.name, body)}`
        const caller = expectMayChange(request, view, originsOf(body))
        const change = await parseChange(depot, act, { view: view.name, body, caller })
        const input = {
          token: newToken(),
          request: change,
          ...(reason !== undefined && { reason }),
          ...idempotencyOf(request),
        }
        const plan = await depot.writer.submit({ kind, input, actor: actorOf(request, 'api') })
        return reply
          .code(201)
          .header('location', `${request.publicPath}/api/v1/plans/${plan.token}`)
          .send(wirePlan(plan, depot.now()))
      },
    )
  }

  api.get(
    '/views/:view/proposals',
    {
      schema: {
        operationId: 'listProposals',
        tags,
        summary: 'Lists the proposals for a view',
        description: 'For signed-in callers. Newest first.',
        errors: ['forbidden', 'not_found'],

        params: ViewPath,
        querystring: ProposalsQuery,
        response: textToo(Proposals),
      },
      onRequest: needs('read'),
      preSerialization: orText(proposalsText),
    },
    async (request, reply) => {
      const view = await getPastView(depot.db, request.params.view)
      const { state, limit } = request.query
      const listKey = { list: 'proposals', view: view.name, state }
      const before = placeIn(request.query, listKey, z.int()) ?? Number.MAX_SAFE_INTEGER
      const found = await listProposals(depot.db, view.id, {
        before,
        limit: limit + 1,
        ...(state === 'open' && { waitingAt: depot.now() }),
      })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ id }) => id })
      const visible = await filterVisiblePlans(depot.db, items, audienceOf(request.caller))
      return reply.send({
        view: view.name,
        proposals: visible.map((plan) => wirePlan(plan, depot.now())),
        next,
      })
    },
  )

  api.get(
    '/plans/:plan',
    {
      schema: {
        operationId: 'getPlan',
        tags,
        summary: 'Shows a plan or a proposal',
        description:
          'For signed-in callers who may see the releases that it names. A plan is forgotten some time after it has expired.',
        errors: ['forbidden', 'not_found'],

        params: PlanPath,
        querystring: FormatQuery,
        response: textToo(Plan),
      },
      onRequest: needs('read'),
      preSerialization: orText(planText),
    },
    async (request, reply) =>
      reply.send(
        wirePlan(await visiblePlan(depot, request.params.plan, audienceOf(request.caller)), depot.now()),
      ),
  )

  for (const { url, kind, ...texts } of [
    {
      url: '/plans/:plan/apply',
      kind: 'applyPlan',
      operationId: 'applyPlan',
      summary: 'Applies a plan',
      description:
        'Does exactly what the plan shows, or answers 412 stale_plan with a new plan. Safe to repeat with an Idempotency-Key: the answer is kept for 7 days, longer than the plan.',
    },
    {
      url: '/plans/:plan/approve',
      kind: 'approve',
      operationId: 'approveProposal',
      summary: 'Approves and applies a proposal',
      description:
        'The approver must not be its author, and is responsible for the change. Answers 412 stale_plan with a new plan if the effect would differ. Safe to repeat with an Idempotency-Key: the answer is kept for 7 days.',
    },
  ] as const) {
    const schema = {
      tags,
      ...texts,
      errors: [...ERRORS_OF_CHANGES, 'idempotency_mismatch', 'stale_plan', 'stale_revision'] as const,
      params: PlanPath,
      querystring: FormatQuery,
      body: ApplyBody.nullish(),
      headers: IdempotencyHeaders,
      response: textToo(PromotionAnswer),
    }
    api.post(
      url,
      { schema, onRequest: needs('promote'), preSerialization: orText(promotionText) },
      async (request, reply) => {
        const caller = signedIn(request, 'promote')
        const audience = audienceOfChanges(caller)
        const token = request.params.plan
        const body = request.body ?? {}
        const once = idempotencyOf(request)
        // Answers to idempotency keys are kept longer than drafts, so the answer may still exist when the
        // plan is gone.
        const found = await findPlan(depot.db, token)
        if (found === undefined && once.idempotency === undefined) throw planNotFound(token)
        const plan = found && (await expectVisible(depot, found, audience))
        request.subject = `${kind === 'approve' ? 'approve' : 'apply'} ${token}, ${plan?.view ?? 'forgotten'}`
        if (plan !== undefined) expectMayDecideProposal(request, await getView(depot.db, plan.view))
        const input = {
          plan: token,
          nextToken: newToken(),
          ...(body.reason !== undefined && { reason: body.reason }),
          ...(body.override !== undefined && { override: body.override }),
          ...once,
        }
        const outcome = await outcomeOf(
          depot,
          await depot.writer.submit({ kind, input, actor: actorOf(request, 'api') }),
          audience,
        )
        return reply.header('etag', `"${outcome.revision}"`).send(wirePromotion(outcome))
      },
    )
  }

  api.post(
    '/plans/:plan/reject',
    {
      schema: {
        operationId: 'rejectProposal',
        tags,
        summary: 'Withdraws a proposal',
        description: 'Only its author or an approver may do this.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: PlanPath,
        body: RejectBody.nullish(),
        response: answers(Plan),
      },
      onRequest: needs('promote'),
    },
    async (request, reply) => {
      const caller = signedIn(request, 'promote')
      const plan = await visiblePlan(depot, request.params.plan, audienceOfChanges(caller))
      request.subject = `reject ${plan.token}, ${plan.view}`
      expectMayDecideProposal(request, await getView(depot.db, plan.view))
      const reason = request.body?.reason
      const input = { plan: plan.token, ...(reason !== undefined && { reason }) }
      return reply.send(
        wirePlan(
          await depot.writer.submit({ kind: 'reject', input, actor: actorOf(request, 'api') }),
          depot.now(),
        ),
      )
    },
  )
}

/** Returns a plan. Throws `not_found`, also if the plan names releases that the caller may not see. */
async function visiblePlan(depot: Depot, token: string, audience: Audience): Promise<StoredPlan> {
  return expectVisible(depot, await getPlan(depot.db, token), audience)
}

/** Returns the plan. Throws `not_found` if the audience may not see all releases that it names. */
async function expectVisible(depot: Depot, plan: StoredPlan, audience: Audience): Promise<StoredPlan> {
  if ((await filterVisiblePlans(depot.db, [plan], audience)).length === 0) throw planNotFound(plan.token)
  return plan
}

/**
 * Returns the outcome. Throws `stale_plan` if the plan was not applied. The error has the new plan, unless
 * the new plan names releases that the caller may not see.
 */
async function outcomeOf(depot: Depot, applied: Applied, audience: Audience): Promise<PromotionOutcome> {
  if ('outcome' in applied) return applied.outcome
  const [stale] = await filterVisiblePlans(depot.db, [applied.stale], audience)
  if (stale === undefined)
    throw new DepotError(
      'stale_plan',
      `the plan is stale: ${applied.stale.view} is at revision ${applied.stale.effect.revision}`,
    )
  throw new DepotError(
    'stale_plan',
    `the plan is stale: ${stale.view} is at revision ${stale.effect.revision}; the new plan ${stale.token} shows what the change would do now`,
    { more: { plan: wirePlan(stale, depot.now()) } },
  )
}

function newToken(): string {
  return randomBytes(16).toString('hex') // in base64url, one in 64 would look like an option of a command
}
