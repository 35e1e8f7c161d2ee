import type { FastifyInstance } from 'fastify'
import { audienceOfChanges } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import { listViews } from '../../../revisions/view-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayPromote, signedIn } from '../../requests/rights.ts'
import { promoteRelease } from '../channels/promote-release.ts'
import { replyPromotion, targetToPromote } from '../channels/routes.ts'
import { identOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendUncached } from '../conventions/replies.ts'
import type { AbsentViews } from './absent-views.ts'
import { findPastView } from '../conventions/past-views.ts'

/** Route that lists views (habitat-2016.md 1.2 row 1). */
export function viewReads(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/views`, async (_request, reply) => {
    const views = await listViews(depot.db)
    return sendUncached(
      reply,
      views.map((view) => view.name),
    )
  })
}

/**
 * Route that promotes to a view (habitat-2016.md 1.11). It checks the token first (401), then the view (404),
 * the rights of the caller (403) and the package (404).
 */
export function viewWrites(
  app: FastifyInstance,
  context: RouteContext,
  mount: string,
  absentViews: AbsentViews,
): void {
  const { depot } = context
  app.post(
    `${mount}/views/:view/pkgs/:origin/:name/:version/:release/promote`,
    async (request: HabitatRequest, reply) => {
      const { origin, view = '' } = request.params
      signedIn(request, 'promote')
      const past = context.answers.isOpen(view) ? undefined : await findPastView(context, view)
      if (past !== undefined)
        throw new DepotError('read_only', `${view} is a past state: promote into ${past.view.name}`)
      const absent = absentViews.refusalOf(view, request.ip)
      if (absent !== undefined) throw absent
      const caller = expectMayPromote(request, origin, view)
      const ident = formatIdent(identOf(request))
      request.subject = `${ident} into ${view}`
      const target = await targetToPromote(request, depot, audienceOfChanges(caller))
      const outcome = await promoteRelease(request, context, { view, release: { ident, target } })
      return replyPromotion(reply, outcome, target)
    },
  )
}
