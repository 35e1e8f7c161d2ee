import type { FastifyInstance, FastifyRequest } from 'fastify'
import { DepotError } from '../../../errors.ts'
import { replyNoRoute } from '../../requests/error-reply.ts'
import { mayKnowView } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { channelLists } from '../channels/lists.ts'
import { channelReads } from '../channels/routes.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { keyReads } from '../origins/keys.ts'
import { packageLists } from '../packages/lists.ts'
import { packageReads } from '../packages/routes.ts'
import { searchReads } from '../packages/search.ts'
import type { AbsentViews } from './absent-views.ts'
import { findPastView } from '../conventions/past-views.ts'

const WRITING = ['POST', 'PUT', 'PATCH', 'DELETE']

/**
 * The read routes of both generations below the URL of a view, so that a client needs no other URL. `latest`,
 * lists and searches show the view; downloads, keys and exact shows cover the whole depot, because
 * dependencies are not promoted. `{view}@{revision}` is the view as it was (past-views.ts). Writes other than
 * the promotion of 2016 (routes.ts) are refused with the URL to use instead.
 */
export async function belowViews(
  app: FastifyInstance,
  { context, mount, absentViews }: { context: RouteContext; mount: string; absentViews: AbsentViews },
): Promise<void> {
  const view = `${mount}/views/:view`
  const refuseAbsent = (request: FastifyRequest, name: string) => {
    const refusal = absentViews.refusalOf(name, request.ip)
    request.isLoggedElsewhere = refusal !== undefined
    return refusal
  }
  const openPast = async (request: FastifyRequest, name: string) => {
    request.past = await findPastView(context, name)
    const refusal = request.past === undefined ? refuseAbsent(request, name) : undefined
    if (refusal !== undefined) throw refusal
  }
  app.addHook('onRequest', (request, _reply, done) => {
    const { view: name = '' } = (request as HabitatRequest).params
    // Public keys are for everyone, and must not reveal which views exist.
    if (!mayKnowView(request, context, name)) return done()
    if (!context.answers.isOpen(name) && name.includes('@')) return openPast(request, name)
    return done(refuseAbsent(request, name))
  })
  for (const place of [view, `${view}/depot`]) {
    packageReads(app, context, place)
    packageLists(app, context, place)
    searchReads(app, context, place)
    channelReads(app, context, place)
    channelLists(app, context, place)
    keyReads(app, context, place)
  }
  app.route({
    method: WRITING,
    url: `${view}/*`,
    handler: async (request: HabitatRequest, reply) => {
      reply.header('allow', 'GET, HEAD')
      throw new DepotError(
        'read_only',
        `the URL of a view is read-only: send ${request.method} to ${urlWithoutView(request, context.depot.config.publicUrl)}`,
      )
    },
  })
  for (const rest of ['', '/*'])
    app.get(`${view}${rest}`, async (request, reply) => replyNoRoute(request, reply))
}

/**
 * Returns the URL to which a client must send a write that it sent below the URL of a view. The URL is the
 * depot's as the client sees it.
 */
function urlWithoutView(
  { protocol, host, publicPath, url }: HabitatRequest,
  publicUrl: string | undefined,
): string {
  const [path = ''] = url.split('?', 1)
  const own = host === '' ? '' : `${protocol}://${host}` // HTTP/1.0 needs no Host
  const origin = publicUrl === undefined ? own : new URL(publicUrl).origin
  return `${origin}${publicPath}${path.replace(/\/views\/[^/]*(\/depot)?\//, '/')}`
}
