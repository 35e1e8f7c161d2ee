import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf, audienceOfChanges, hasRole } from '../../../access/access.ts'
import type { Audience, Session } from '../../../access/access.ts'
import { listChannelNames } from '../../../channels/channel-store.ts'
import type { BriefOutcome } from '../../../commands/views/make-revision.ts'
import type { Depot } from '../../../depot/depot.ts'
import { DepotError } from '../../../errors.ts'
import { formatIdent } from '../../../package/ident.ts'
import type { Target } from '../../../package/target.ts'
import { findRelease } from '../../../releases/release-store.ts'
import { PERMANENT_CHANNELS, UNSTABLE } from '../../../views/view.ts'
import { replyHabitat } from '../../requests/error-reply.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayPromote } from '../../requests/rights.ts'
import {
  flagOf,
  identOf,
  identTextOf,
  parseTarget,
  queryOf,
  targetOrDefault,
} from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendJson } from '../conventions/replies.ts'
import { promoteRelease } from './promote-release.ts'
import { pollRoute } from '../polls/route.ts'
import { wireChannel } from './shapes.ts'

/**
 * Routes that read channels (habitat-today.md 3.2). answer-poll.ts decides what a channel means below a
 * view's URL.
 */
export function channelReads(app: FastifyInstance, context: RouteContext, place: string): void {
  const { depot } = context
  app.get(
    `${place}/channels/:origin/:channel/pkgs/:name/latest`,
    shows('origin-in-view'),
    pollRoute(context, { isLatest: true, isChannel: true }),
  )
  app.get(
    `${place}/channels/:origin/:channel/pkgs/:name/:version/latest`,
    shows('origin-in-view'),
    pollRoute(context, { isLatest: true, isChannel: true }),
  )
  app.get(
    `${place}/channels/:origin/:channel/pkgs/:name/:version/:release`,
    shows('release'),
    pollRoute(context, { isLatest: false, isChannel: true }),
  )
  app.get(`${place}/channels/:origin`, shows('origin'), async (request: HabitatRequest, reply) => {
    const names = await listChannelNames(depot.db, request.params.origin, {
      audience: audienceOf(request.caller),
      withJobChannels: flagOf(request, 'sandbox'),
    })
    return sendJson(
      reply,
      names.map((name) => ({ name })),
    )
  })
}

/**
 * Routes that change channels (habitat-today.md 3.2). Callers without the role get 401, as in Builder.
 * Callers who lack a right that Builder does not know get 403 with the reason.
 */
export function channelWrites(app: FastifyInstance, context: RouteContext, mount: string): void {
  void app.register(async (scope) => {
    scope.setErrorHandler(async (error, request, reply) =>
      replyHabitat(await toBuilderError(error, request as HabitatRequest, context.depot), request, reply),
    )
    writeRoutes(scope, context, mount)
  })
}

function writeRoutes(app: FastifyInstance, context: RouteContext, mount: string): void {
  const { depot } = context
  app.post(`${mount}/channels/:origin/:channel`, async (request: HabitatRequest, reply) => {
    const { origin, channel } = request.params
    request.subject = `channel ${channel} of ${origin}`
    const { accountId: ownerId } = expectMayChangeChannel(request)
    const declared = await depot.writer.submit({
      kind: 'declareChannel',
      input: { origin, name: channel, ownerId },
      actor: actorOf(request, 'habitat'),
    })
    return sendJson(reply.code(201), wireChannel(declared, origin, channel))
  })
  app.delete(`${mount}/channels/:origin/:channel`, async (request: HabitatRequest, reply) => {
    const { origin, channel } = request.params
    request.subject = `channel ${channel} of ${origin}`
    expectMayChangeChannel(request)
    if (PERMANENT_CHANNELS.includes(channel))
      throw new DepotError('refused', `the channel ${channel} cannot be deleted`)
    await depot.writer.submit({
      kind: 'removeChannel',
      input: { origin, name: channel },
      actor: actorOf(request, 'habitat'),
    })
    return reply.send()
  })
  const move = (kind: 'promote' | 'demote') => async (request: HabitatRequest, reply: FastifyReply) => {
    const view = request.params.channel
    if (kind === 'demote' && view === UNSTABLE)
      throw new DepotError('refused', `releases cannot be demoted from ${UNSTABLE}`)
    const session = expectMayChangeChannel(request)
    const ident = formatIdent(identOf(request))
    request.subject = `${ident}, ${view}`
    const target = await targetToPromote(request, depot, audienceOfChanges(session))
    const release = { ident, target }
    const outcome =
      kind === 'promote'
        ? await promoteRelease(request, context, { view, release })
        : await depot.writer.submit({
            kind,
            input: { view, releases: [release] },
            actor: actorOf(request, 'habitat'),
          })
    return replyPromotion(reply, outcome, target)
  }
  /**
   * Handles a promotion or demotion of all releases of a channel. Like Builder, checks rights first, even if
   * the destination is missing (habitat-today.md 6, Channels).
   */
  const moveAll =
    (kind: 'promoteAll' | 'demoteAll') => async (request: HabitatRequest, reply: FastifyReply) => {
      const { origin, channel: source } = request.params
      const view = queryOf(request, 'channel') ?? ''
      request.subject = `all of ${origin} in ${source}, ${view}`
      const session = expectMayChangeChannel(request, view)
      if (view === '') throw new DepotError('invalid_request', 'the destination channel is missing')
      const outcome = await depot.writer.submit({
        kind,
        input: { origin, source, view, ownerId: session.accountId },
        actor: actorOf(request, 'habitat'),
      })
      return reply.headers(promotionHeaders(outcome)).send()
    }
  app.put(`${mount}/channels/:origin/:channel/pkgs/promote`, moveAll('promoteAll'))
  app.put(`${mount}/channels/:origin/:channel/pkgs/demote`, moveAll('demoteAll'))
  app.put(`${mount}/channels/:origin/:channel/pkgs/:name/:version/:release/promote`, move('promote'))
  app.put(`${mount}/channels/:origin/:channel/pkgs/:name/:version/:release/demote`, move('demote'))
}

/**
 * Returns the target of the release to promote. This is the target in the query, even if no such release
 * exists. If the query has none, it is the target of the client, or else the default, if the release exists
 * for that target, and otherwise any target for which the release exists, because the clients of 2016 know no
 * targets. Throws `not_found` and `target_malformed`.
 */
export async function targetToPromote(
  request: HabitatRequest,
  depot: Depot,
  audience: Audience,
): Promise<Target> {
  const named = parseTarget(request)
  if (named !== undefined) return named
  const ident = identTextOf(request)
  const found =
    (await findRelease(depot.db, ident, targetOrDefault(request), audience)) ??
    (await findRelease(depot.db, ident, undefined, audience))
  if (found === undefined) throw new DepotError('not_found', `there is no release ${ident}`)
  return found.target
}

/** Replies with an empty 200. The headers describe the outcome. */
export function replyPromotion(reply: FastifyReply, outcome: BriefOutcome, target: Target): FastifyReply {
  return reply.headers({ ...promotionHeaders(outcome), 'depot-target': target }).send()
}

function promotionHeaders({ view, revision, isChanged }: BriefOutcome): Record<string, string | number> {
  return { 'depot-view': view, 'depot-revision': revision, 'depot-changed': String(isChanged) }
}

function expectMayChangeChannel(request: HabitatRequest, view = request.params.channel): Session {
  return expectMayPromote(request, request.params.origin, view)
}

/**
 * Replaces `forbidden` by `unauthenticated` if the account currently lacks the role that Builder requires.
 * Otherwise the token or a gate of the view refuses the change, and hab must show the reason: it prints the
 * message of a 403, and hides that of a 401.
 */
async function toBuilderError(
  error: unknown,
  { headers, params }: HabitatRequest,
  { authenticator }: Depot,
): Promise<unknown> {
  if (!(error instanceof DepotError) || error.code !== 'forbidden') return error
  try {
    const caller = await authenticator.identify(headers.authorization)
    if (caller !== undefined && hasRole({ ...caller, scope: {} }, params.origin, 'maintainer')) return error
  } catch (cause) {
    return cause // the token was revoked in the meantime
  }
  return new DepotError('unauthenticated', error.message, { cause: error })
}
