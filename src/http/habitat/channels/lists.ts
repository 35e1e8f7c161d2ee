import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { parseIdent } from '../../../package/ident.ts'
import { listIdentsInView } from '../../../releases/list-store.ts'
import type { MembersOf } from '../../../releases/list-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { offsetOf, pageAt, parseTarget, prefixOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendPage, sendUncached } from '../conventions/replies.ts'
import { wireIdent } from '../conventions/shapes.ts'
import { viewsOfChannel } from '../polls/answer-poll.ts'

/** Routes that list the packages of a channel (habitat-today.md 3.2). An unknown channel is an empty one. */
export function channelLists(app: FastifyInstance, { depot, answers }: RouteContext, place: string): void {
  /** Returns the members that a list shows, or `undefined` for an unknown channel. */
  const membersOf = async (request: HabitatRequest, audience: Audience): Promise<MembersOf | undefined> => {
    // A list of a past state leaves out the packages of ungoverned origins that the view lacks.
    if (request.past !== undefined) return { viewId: request.past.view.id, revision: request.past.revision }
    const views = viewsOfChannel(answers, request.params)
    const first = await findView(depot.db, views.first)
    if (first === undefined) return undefined
    const fallback = views.fallback === undefined ? undefined : await findView(depot.db, views.fallback)
    if (fallback === undefined) return first.id
    const { origin } = request.params
    const latest = await answers.listLatest({ view: views.first, origin }, audience)
    return { viewId: first.id, otherId: fallback.id, lines: [...latest.keys()] }
  }
  const list = async (request: HabitatRequest, reply: FastifyReply) => {
    const offset = offsetOf(request)
    const audience = audienceOf(request.caller)
    const members = await membersOf(request, audience)
    const page =
      members === undefined
        ? { items: [], total: 0 }
        : await listIdentsInView(depot.db, members, prefixOf(request), pageAt(offset), audience)
    return sendPage(reply, page, offset, wireIdent)
  }
  app.get(`${place}/channels/:origin/:channel/pkgs`, shows('origin-in-view'), list)
  app.get(`${place}/channels/:origin/:channel/pkgs/:name`, shows('origin-in-view'), list)
  app.get(`${place}/channels/:origin/:channel/pkgs/:name/:version`, shows('origin-in-view'), list)
  app.get(
    `${place}/channels/:origin/:channel/pkgs/_latest`,
    shows('origin-in-view'),
    async (request: HabitatRequest, reply) => {
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
    },
  )
}
