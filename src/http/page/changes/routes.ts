import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { getChange, listChanges, listCurrentViews } from '../../../changes/change-store.ts'
import { listViews } from '../../../revisions/view-store.ts'
import { CHANGE_STATES } from '../../../views/phase.ts'
import type { RouteContext } from '../../requests/request.ts'
import { mayDecide, readWaitingProposals } from '../html/waiting-proposals.ts'
import { OptionalText } from '../html/query.ts'
import { changeContent, changesContent } from './templates.ts'

const PAGE_CHANGES = 50
const ChangesQuery = z.object({
  project: OptionalText,
  state: z
    .union([z.literal(''), z.enum(CHANGE_STATES)])
    .transform((state) => (state === '' ? undefined : state))
    .optional(),
  before: z.coerce.number().int().min(1).optional(),
})

/** Routes for changes, and for what waits for whom. */
export function changeRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, now } = depot

  pages.get('/changes', { schema: { querystring: ChangesQuery } }, async (request, reply) => {
    const { project, state, before = Number.MAX_SAFE_INTEGER } = request.query
    const audience = audienceOf(request.caller)
    const [found, proposals, views] = await Promise.all([
      listChanges(db, { project, state }, { before, limit: PAGE_CHANGES + 1, audience }),
      readWaitingProposals(db, request.caller, now()),
      listViews(db),
    ])
    const changes = found.slice(0, PAGE_CHANGES)
    const current = await listCurrentViews(
      db,
      changes.map(({ id }) => id),
    )
    return reply.page(
      changesContent(request.visit, {
        changes,
        current,
        waiting: proposals.map((proposal) => {
          const view = views.find(({ id }) => id === proposal.viewId)
          return { proposal, view, isForCaller: view !== undefined && mayDecide(request, proposal, view) }
        }),
        query: { project, state },
        next: found.length > PAGE_CHANGES ? changes.at(-1)?.id : undefined,
      }),
    )
  })

  pages.get(
    '/changes/:change',
    { schema: { params: z.object({ change: z.string() }) } },
    async (request, reply) => {
      const change = await getChange(db, request.params.change, audienceOf(request.caller))
      const current = await listCurrentViews(db, [change.id])
      return reply.page(changeContent(request.visit, change, [...(current.get(change.id)?.keys() ?? [])]))
    },
  )
}
