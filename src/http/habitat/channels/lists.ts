import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { parseIdent } from '../../../package/ident.ts'
import { listIdentsInView } from '../../../releases/list-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { offsetOf, pageAt, parseTarget } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendPage, sendUncached } from '../conventions/replies.ts'
import { wireIdent } from '../conventions/shapes.ts'
import { viewsOfChannel } from '../polls/answer-poll.ts'

/** Routes that list the packages of a channel (habitat-today.md 3.2). An unknown channel is an empty one. */
export function channelLists(app: FastifyInstance, { depot, answers }: RouteContext, place: string): void {
  const list = async (request: HabitatRequest, reply: FastifyReply) => {
    const { origin, name, version } = request.params
    const parts: (string | undefined)[] = [origin, name, version]
    const offset = offsetOf(request)
    const prefix = parts.filter((part) => part !== undefined)
    const audience = audienceOf(request.caller)
    if (request.past !== undefined) {
      // Packages of ungoverned origins that the view lacks are not listed.
      const { view, revision } = request.past
      const members = { viewId: view.id, revision }
      return sendPage(
        reply,
        await listIdentsInView(depot.db, members, prefix, pageAt(offset), audience),
        offset,
        wireIdent,
      )
    }
    const views = viewsOfChannel(answers, request.params)
    const [first, fallback] = [
      await findView(depot.db, views.first),
      views.fallback === undefined ? undefined : await findView(depot.db, views.fallback),
    ]
    if (first === undefined) return sendPage(reply, { items: [], total: 0 }, offset, wireIdent)
    const members =
      fallback === undefined
        ? first.id
        : {
            viewId: first.id,
            otherId: fallback.id,
            lines: [...(await answers.listLatest({ view: views.first, origin }, audience)).keys()],
          }
    return sendPage(
      reply,
      await listIdentsInView(depot.db, members, prefix, pageAt(offset), audience),
      offset,
      wireIdent,
    )
  }
  app.get(`${place}/channels/:origin/:channel/pkgs`, list)
  app.get(`${place}/channels/:origin/:channel/pkgs/:name`, list)
  app.get(`${place}/channels/:origin/:channel/pkgs/:name/:version`, list)
  app.get(`${place}/channels/:origin/:channel/pkgs/_latest`, async (request: HabitatRequest, reply) => {
    const { origin, channel } = request.params
    const target = parseTarget(request)
    if (target === undefined)
      throw new DepotError('invalid_request', 'a list of the newest releases of a channel needs a target')
    const source = request.past ?? answers
    const { first, fallback } = viewsOfChannel(source, request.params)
    const audience = audienceOf(request.caller)
    const latestIn = async (view: string | undefined) =>
      view === undefined ? new Map<string, string>() : source.listLatest({ view, origin, target }, audience)
    const latest = new Map([...(await latestIn(fallback)), ...(await latestIn(first))])
    const data = [...latest]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, ident]) => wireIdent(parseIdent(ident)))
    return sendUncached(reply, { channel, target, data })
  })
}
