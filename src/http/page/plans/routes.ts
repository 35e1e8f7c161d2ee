import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf, audienceOfChanges } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import { passes } from '../../../access/rights.ts'
import { refusalOf } from '../../../errors.ts'
import { filterVisiblePlans, findPlan, getPlan, planNotFound } from '../../../revisions/plan-store.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import { getView, listViews } from '../../../revisions/view-store.ts'
import { mayOverride, requesterOf } from '../../../views/gates.ts'
import type { View } from '../../../views/view.ts'
import { originsOf, parseChange } from '../../api/promotions/parse-change.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayChange, expectMayDecideProposal, signedIn } from '../../requests/rights.ts'
import { mayAdministrate } from '../html/may-change.ts'
import { Once, onceKey } from '../html/once.ts'
import { viewPath } from '../html/parts.ts'
import { mayDecide, originsIn } from '../html/waiting-proposals.ts'
import { OptionalText, parseFields, withQuery } from '../html/query.ts'
import { revisionPath } from '../view/moves.ts'
import { ChangeForm, fieldsOf } from './change-form.ts'
import { changeFormContent } from './form-template.ts'
import { previewRoutes } from './preview-routes.ts'
import { planContent, planPath } from './plan-template.ts'

/** A change that moves more packages than this asks for the name of the view. */
const WIDE_MOVES = 25
const Csrf = { _csrf: z.string() }
const PlanParams = z.object({ plan: z.string().max(100) })
const Decision = z.object({
  ...Csrf,
  once: Once.once.optional(),
  action: z.enum(['apply', 'propose', 'approve', 'reject']),
  reason: OptionalText,
  confirm: OptionalText,
  override: OptionalText,
})
type Decision = z.infer<typeof Decision>

/** Routes for changes of views: a form, its plan, and what becomes of the plan. */
export function planRoutes(app: FastifyInstance, context: RouteContext): void {
  const { depot } = context
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer } = depot

  const sendForm = async (request: FastifyRequest, reply: FastifyReply, form: ChangeForm) => {
    const view = await getView(db, form.view)
    expectMayChange(request, view, [])
    const views = await listViews(db)
    return reply.page(changeFormContent(request.visit, { view, views, form }))
  }
  pages.get('/plans/new', { schema: { querystring: ChangeForm } }, async (request, reply) =>
    sendForm(request, reply, request.query),
  )

  pages.post(
    '/plans',
    {
      schema: { body: ChangeForm.extend(Csrf) },
      config: {
        showForm: async (request, reply) =>
          sendForm(request, reply, parseFields(ChangeForm, request.sentFields)),
      },
    },
    async (request, reply) => {
      const { _csrf, ...form } = request.body
      const view = await getView(db, form.view)
      const fields = fieldsOf(form)
      const caller = expectMayChange(request, view, originsOf(fields))
      const change = await parseChange(depot, form.act, { view: view.name, body: fields, caller })
      request.subject = `plan ${form.act}, ${view.name}`
      const plan = await writer.submit({
        kind: 'draftPlan',
        input: {
          token: newToken(),
          request: change,
          ...(form.reason !== undefined && { reason: form.reason }),
        },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(planPath(plan.token)), 303)
    },
  )

  /** Sends the page of a plan. `replaces` names the plan that it replaces. */
  const sendPlan = async (request: FastifyRequest, reply: FastifyReply, replaces?: string) => {
    const caller = signedIn(request, 'read')
    const plan = await visiblePlan(PlanParams.parse(request.params).plan, audienceOf(caller))
    const replaced = replaces === undefined ? undefined : await findPlan(db, replaces)
    const isShown =
      replaced?.view === plan.view &&
      (await filterVisiblePlans(db, [replaced], audienceOf(caller))).length > 0
    const view = await getView(db, plan.view)
    return reply.page(
      planContent(request.visit, {
        plan,
        replaced: isShown ? replaced : undefined,
        needsName: isWide(plan, view),
        mayOverride: mayOverride(requesterOf(caller), view.gates),
        needsApproval: view.gates.approval !== undefined,
        isAuthor: plan.account === caller.accountName,
        mayChange:
          passes(() => expectMayChange(request, view, originsIn(plan))) &&
          (plan.effect.act !== 'set-rule' || mayAdministrate(caller)),
        mayDecide: mayDecide(request, plan, view),
      }),
    )
  }
  pages.get(
    '/plans/:plan',
    { schema: { params: PlanParams, querystring: z.object({ replaces: OptionalText }) } },
    async (request, reply) => sendPlan(request, reply, request.query.replaces),
  )

  previewRoutes(app, context, async (request, reply) => sendPlan(request, reply))

  pages.post(
    '/plans/:plan',
    {
      schema: { params: PlanParams, body: Decision },
      config: { showForm: async (request, reply) => sendPlan(request, reply) },
    },
    async (request, reply) => {
      const caller = signedIn(request, 'promote')
      const plan = await visiblePlan(request.params.plan, audienceOfChanges(caller))
      const { action, confirm } = request.body
      request.subject = `${action} ${plan.token}, ${plan.view}`
      // Somebody went back, or pressed the button twice: the page says what became of the plan.
      if (plan.end !== undefined) return reply.redirect(request.visit.to(planPath(plan.token)), 303)
      const view = await getView(db, plan.view)
      expectMayDecideProposal(request, view)
      if ((action === 'apply' || action === 'approve') && isWide(plan, view) && confirm !== view.name)
        throw refusalOf('invalid_request', [
          { pointer: '/confirm', detail: `type ${view.name}, the name of the view, to make this change` },
        ])
      return reply.redirect(request.visit.to(await decide(request, plan, request.body)), 303)
    },
  )

  /** Does what a person chose. Returns the path of the page that shows the result. */
  async function decide(
    request: FastifyRequest,
    plan: StoredPlan,
    { action, reason, override }: Decision,
  ): Promise<string> {
    const actor = actorOf(request, 'page')
    const given = reason === undefined ? {} : { reason }
    if (action === 'propose') {
      const { audience: _audience, reason: planned, ...change } = plan.request
      const proposal = await writer.submit({
        kind: 'propose',
        input: {
          token: newToken(),
          request: change,
          ...(planned !== undefined && { reason: planned }),
          ...given,
          idempotency: onceKey(request),
        },
        actor,
      })
      return planPath(proposal.token)
    }
    if (action === 'reject') {
      await writer.submit({ kind: 'reject', input: { plan: plan.token, ...given }, actor })
      return planPath(plan.token)
    }
    const applied = await writer.submit({
      kind: action === 'approve' ? 'approve' : 'applyPlan',
      input: {
        plan: plan.token,
        nextToken: newToken(),
        ...given,
        ...(override !== undefined && { override: { reason: override } }),
      },
      actor,
    })
    if ('stale' in applied) return withQuery(planPath(applied.stale.token), { replaces: plan.token })
    const { isChanged, revision, view } = applied.outcome
    return isChanged ? revisionPath(view, revision) : viewPath(view)
  }

  /** Returns a plan. Throws `not_found`, also if the plan names releases that the audience may not see. */
  async function visiblePlan(token: string, audience: Audience): Promise<StoredPlan> {
    const plan = await getPlan(db, token)
    if ((await filterVisiblePlans(db, [plan], audience)).length === 0) throw planNotFound(token)
    return plan
  }
}

/** Reports whether a change needs the name of the view: it is wide, or the view has gates for people. */
function isWide({ effect }: StoredPlan, { gates }: View): boolean {
  return effect.pointers.length > WIDE_MOVES || gates.promoters !== undefined || gates.approval !== undefined
}

function newToken(): string {
  return randomBytes(16).toString('hex')
}
