import type { FastifyReply } from 'fastify'
import type { PackageAnswer } from '../../answers/answers.ts'

export const NO_CACHE = 'private, no-cache, no-store'

/** Sends the finished body of a package, or nothing to a client that has it. */
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
