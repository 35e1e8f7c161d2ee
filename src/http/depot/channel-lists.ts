import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf } from '../../accounts/access.ts'
import type { Audience } from '../../accounts/access.ts'
import type { Db } from '../../database/database.ts'
import { DepotError } from '../../errors.ts'
import { parseIdent } from '../../package/ident.ts'
import type { Target } from '../../package/target.ts'
import { listIdentsInView } from '../../releases/list-store.ts'
import { listPointersAt } from '../../views/content-store.ts'
import type { PointerAt, PointerPlace } from '../../views/content-store.ts'
import { findView } from '../../views/view-store.ts'
import type { View } from '../../views/view.ts'
import type { Door } from '../request.ts'
import { namedTarget, offsetOf, pageAt } from './asked.ts'
import type { Asking } from './asked.ts'
import { viewMeant } from './polls.ts'
import { replyPage } from './lists.ts'
import { NO_CACHE } from './package-reply.ts'
import { wireIdent } from './wire.ts'

const MOST_LINES = 1_000

/** habitat-today.md 3.2. A channel that is not there is one without packages. */
export function channelLists(app: FastifyInstance, { depot, answers }: Door, place: string): void {
  const list = async (request: Asking, reply: FastifyReply) => {
    const { origin, name, version } = request.params
    const parts: (string | undefined)[] = [origin, name, version]
    const offset = offsetOf(request)
    const view = await findView(depot.db, viewMeant(answers, request.params))
    const prefix = parts.filter((part) => part !== undefined)
    const page = view && (await listIdentsInView(depot.db, view.id, prefix, pageAt(offset), audienceOf(request.caller)))
    return replyPage(reply, page ?? { items: [], total: 0 }, offset, wireIdent)
  }
  app.get(`${place}/channels/:origin/:channel/pkgs`, list)
  app.get(`${place}/channels/:origin/:channel/pkgs/:name`, list)
  app.get(`${place}/channels/:origin/:channel/pkgs/:name/:version`, list)
  app.get(`${place}/channels/:origin/:channel/pkgs/_latest`, async (request: Asking, reply) => {
    const { origin, channel } = request.params
    const target = namedTarget(request)
    if (target === undefined) throw new DepotError('invalid_request', 'the newest of a channel are those for one target: name it')
    const view = await findView(depot.db, viewMeant(answers, request.params))
    const pointers = view === undefined ? [] : await pointersOf(depot.db, view, { origin, target }, audienceOf(request.caller))
    const data = pointers.map(({ ident }) => wireIdent(parseIdent(ident)))
    return reply.header('cache-control', NO_CACHE).type('application/json').send(JSON.stringify({ channel, target, data }))
  })
}

/** What `latest` is of each of an origin's packages for a target, by name. */
async function pointersOf(db: Db, view: View, { origin, target }: { origin: string; target: Target }, audience: Audience): Promise<PointerAt[]> {
  const found: PointerAt[] = []
  for (let after: PointerPlace | undefined; ; ) {
    const page = await listPointersAt(db, view, view.revision, { origin, limit: MOST_LINES, ...(after && { after }) }, audience)
    found.push(...page.filter((pointer) => pointer.target === target))
    const last = page.at(-1)
    if (last === undefined) return found
    after = [last.package, last.target]
  }
}
