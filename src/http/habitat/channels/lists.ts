import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import type { Db } from '../../../database/database.ts'
import { DepotError } from '../../../errors.ts'
import { parseIdent } from '../../../package/ident.ts'
import type { Target } from '../../../package/target.ts'
import { listIdentsInView } from '../../../releases/list-store.ts'
import { listPointersAt } from '../../../revisions/content-store.ts'
import type { PointerAt, PointerPlace } from '../../../revisions/content-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import type { View } from '../../../views/view.ts'
import type { RouteContext } from '../../requests/request.ts'
import { offsetOf, pageAt, parseTarget } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendPage, sendUncached } from '../conventions/replies.ts'
import { wireIdent } from '../conventions/shapes.ts'
import { viewsOfChannel } from '../polls/answer-poll.ts'

const MOST_LINES = 1_000

/** Routes that list the packages of a channel (habitat-today.md 3.2). An unknown channel is an empty one. */
export function channelLists(app: FastifyInstance, { depot, answers }: RouteContext, place: string): void {
  const list = async (request: HabitatRequest, reply: FastifyReply) => {
    const { origin, name, version } = request.params
    const parts: (string | undefined)[] = [origin, name, version]
    const offset = offsetOf(request)
    const prefix = parts.filter((part) => part !== undefined)
    const audience = audienceOf(request.caller)
    const views = viewsOfChannel(answers, request.params)
    const [first, otherwise] = [
      await findView(depot.db, views.first),
      views.otherwise === undefined ? undefined : await findView(depot.db, views.otherwise),
    ]
    if (first === undefined) return sendPage(reply, { items: [], total: 0 }, offset, wireIdent)
    const members =
      otherwise === undefined
        ? first.id
        : {
            viewId: first.id,
            otherId: otherwise.id,
            lines: (await pointersOf(depot.db, first, { origin, name }, audience)).map(
              ({ package: of, target }) => `${of} ${target}`,
            ),
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
    const { first, otherwise } = viewsOfChannel(answers, request.params)
    const latest = new Map<string, string>()
    for (const name of [otherwise, first]) {
      const view = name === undefined ? undefined : await findView(depot.db, name)
      if (view === undefined) continue
      for (const pointer of await pointersOf(depot.db, view, { origin, target }, audienceOf(request.caller)))
        latest.set(pointer.package, pointer.ident)
    }
    const data = [...latest]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, ident]) => wireIdent(parseIdent(ident)))
    return sendUncached(reply, { channel, target, data })
  })
}

/** Returns the latest releases of an origin's packages or of one package, for one target or all, by name. */
async function pointersOf(
  db: Db,
  view: View,
  { origin, name, target }: { origin: string; name?: string | undefined; target?: Target },
  audience: Audience,
): Promise<PointerAt[]> {
  const found: PointerAt[] = []
  for (let after: PointerPlace | undefined; ;) {
    const page = await listPointersAt(
      db,
      view,
      view.revision,
      { origin, ...(name !== undefined && { name }), limit: MOST_LINES, ...(after && { after }) },
      audience,
    )
    found.push(...page.filter((pointer) => target === undefined || pointer.target === target))
    const last = page.at(-1)
    if (last === undefined) return found
    after = [last.package, last.target]
  }
}
