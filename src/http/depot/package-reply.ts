import type { FastifyReply } from 'fastify'
import type { LatestAnswer, PackageAnswer } from '../../answers/answers.ts'

export const NO_CACHE = 'private, no-cache, no-store'

/**
 * Sends what `latest` of a view is, and the revision that made it so. An answer that is at hand is sent at once: most requests come
 * here, and each promise on their way would cost more than finding it.
 */
export function replyLatest(answer: LatestAnswer | undefined | Promise<LatestAnswer | undefined>, reply: FastifyReply, view: string | undefined): undefined | Promise<FastifyReply> {
  if (answer instanceof Promise) return answer.then((found) => replyFound(found, reply, view))
  replyFound(answer, reply, view)
  return undefined
}

function replyFound(answer: LatestAnswer | undefined, reply: FastifyReply, view: string | undefined): FastifyReply {
  if (answer?.revision !== undefined && view !== undefined) reply.headers({ 'depot-view': view, 'depot-revision': answer.revision })
  return replyPackage(answer, reply, NO_CACHE)
}

/**
 * Sends the finished body of a package. Its entity tag is the package's, as in 2016, and outlives changes of the body: so
 * conditional requests are not answered with it.
 */
export function replyPackage(answer: PackageAnswer | undefined, reply: FastifyReply, cacheControl: string): FastifyReply {
  if (answer === undefined) return reply.code(404).header('cache-control', NO_CACHE).send()
  return reply
    .headers({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': cacheControl,
      etag: `"${answer.checksum}"`,
      'depot-target': answer.target,
    })
    .send(answer.body)
}
