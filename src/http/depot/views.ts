import type { FastifyInstance } from 'fastify'
import { DepotError } from '../../errors.ts'
import { formatIdent } from '../../package/ident.ts'
import { listViews, getView } from '../../views/view-store.ts'
import { actorOf } from '../request.ts'
import type { Door } from '../request.ts'
import { mayPromote, signedIn } from '../rights.ts'
import { identOf } from './asked.ts'
import type { Asking } from './asked.ts'
import { eyesOf, releaseMeant, replyPromotion } from './channels.ts'
import { NO_CACHE } from './package-reply.ts'

/** habitat-2016.md 1.2 row 1. */
export function viewReads(app: FastifyInstance, { depot }: Door, mount: string): void {
  app.get(`${mount}/views`, async (_request, reply) => {
    const views = await listViews(depot.db)
    return reply
      .header('cache-control', NO_CACHE)
      .type('application/json')
      .send(JSON.stringify(views.map((view) => view.name)))
  })
}

/** habitat-2016.md 1.11: 401, then 404 for the view, 403, 404 for the package. */
export function viewWrites(app: FastifyInstance, { depot }: Door, mount: string): void {
  app.post(`${mount}/views/:view/pkgs/:origin/:name/:version/:release/promote`, async (request: Asking, reply) => {
    signedIn(request, 'promote')
    const view = await getView(depot.db, request.params.view ?? '')
    const session = mayPromote(request, request.params.origin, view.name)
    const ident = identOf(request)
    request.subject = `${formatIdent(ident)} into ${view.name}`
    const target = await releaseMeant(request, depot)
    if (target === undefined) throw new DepotError('not_found', `there is no release ${formatIdent(ident)}`)
    const input = { view: view.name, releases: [{ ident: formatIdent(ident), target }], ...eyesOf(session) }
    const outcome = await depot.writer.submit({ kind: 'promote', input, actor: actorOf(request, 'habitat') })
    return replyPromotion(reply, outcome, target)
  })
}
