import type { FastifyReply } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { askerOf, upstreamOf } from '../../requests/ask-upstream.ts'
import { identTextOf, parseTarget } from '../conventions/parameters.ts'
import { NO_CACHE } from '../conventions/replies.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import type { RouteContext } from '../../requests/request.ts'
import { answerPoll, mayBeUpstream, pollTarget } from './answer-poll.ts'
import type { Poll } from './answer-poll.ts'
import { countPoll } from './count-poll.ts'
import { replyPackage } from './package-reply.ts'
import type { PackageReply } from './package-reply.ts'

/**
 * Route for polls that do not take the fast path. Answers in memory are sent without a promise, which would
 * cost more than finding them.
 */
export function pollRoute(
  context: Pick<RouteContext, 'depot' | 'answers' | 'pollers' | 'trustsProxy' | 'upstream'>,
  kind: { isLatest: boolean; isChannel: boolean },
): (request: HabitatRequest, reply: FastifyReply) => undefined | Promise<FastifyReply> {
  return (request, reply) => {
    const { past } = request
    const poll = pollOf(request, kind)
    const { anonymous } = context.depot.config
    const answer = answerPoll(past ?? context.answers, poll, {
      audience: audienceOf(request.caller),
      anonymous,
    })
    if (past !== undefined) return replyFromPast(request, reply, answer, poll)
    const send = (known: PackageReply) => {
      if (known.found === undefined && mayBeUpstream(context.depot, poll))
        return replyFromUpstream(context, poll, request, reply)
      countPoll(context, poll, known, {
        source: request.raw.socket,
        forwardedFor: request.headers['x-forwarded-for']?.toString(),
      })
      return replyPackage(request, reply, known, () => absenceOf(poll))
    }
    if (answer instanceof Promise) return answer.then(send)
    const sent = send(answer)
    return sent instanceof Promise ? sent : undefined
  }
}

/**
 * Describes a release that is not in `unstable`: as upstream announced it, or else as upstream describes it
 * now. `hab` asks for each dependency before it uploads a package, so what upstream has counts as present.
 * Throws like {@link UpstreamOperations}.
 */
async function replyFromUpstream(
  context: Pick<RouteContext, 'depot' | 'answers' | 'upstream'>,
  poll: Poll,
  request: HabitatRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const release = { ident: identTextOf(request), target: pollTarget(poll) }
  const announced = await context.answers.exact({ shape: 'whole', ...release }, audienceOf(request.caller))
  if (announced !== undefined)
    return replyPackage(request, reply, { found: announced, cacheControl: NO_CACHE }, () => absenceOf(poll))
  const text = await upstreamOf(context, poll.origin)?.showMissing(release, askerOf(request, poll.origin))
  if (text === undefined) throw new DepotError('not_found', `there is no release ${release.ident}`)
  return reply.header('cache-control', NO_CACHE).type('application/json; charset=utf-8').send(text)
}

/**
 * How long shared caches may keep a public answer of a past state. The release in the answer changes only
 * when it is hidden or deleted; the views and marks in the body may be a day old.
 */
const PAST_CACHE_CONTROL = 'public, max-age=86400'

async function replyFromPast(
  request: HabitatRequest,
  reply: FastifyReply,
  answer: PackageReply | Promise<PackageReply>,
  poll: Poll,
): Promise<FastifyReply> {
  const known = await answer
  const isPublic = known.found?.isPublic === true && request.caller === undefined
  reply.header('vary', 'authorization')
  return replyPackage(request, reply, isPublic ? { ...known, cacheControl: PAST_CACHE_CONTROL } : known, () =>
    absenceOf(poll),
  )
}

/** Parses a poll. Throws `target_malformed`. */
function pollOf(
  request: HabitatRequest,
  { isLatest, isChannel }: { isLatest: boolean; isChannel: boolean },
): Poll {
  const { view, channel, origin, name, version, release } = request.params
  const path = {
    view,
    channel: isChannel ? channel : undefined,
    origin,
    name,
    version,
    release: isLatest ? undefined : release,
  }
  return { ...path, target: parseTarget(request), userAgent: request.headers['user-agent'] }
}

/** Says that a poll found nothing. The sentence is the same for releases that the caller may not see. */
function absenceOf(poll: Poll): string {
  const { view, channel, origin, name, version, release } = poll
  const ident = [origin, name, version, release].filter((part) => part !== undefined).join('/')
  return `${view ?? channel ?? 'the depot'} has no release of ${ident} for ${pollTarget(poll)} that you may see`
}
