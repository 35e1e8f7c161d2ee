import type { FastifyReply, FastifyRequest } from 'fastify'
import { matches } from '../archive-reply.ts'

/** Sends what `make` makes under an entity tag, or nothing to a client that has it (`If-None-Match`). */
export async function replyTagged(request: FastifyRequest, reply: FastifyReply, tag: string, make: () => unknown): Promise<FastifyReply> {
  reply.headers({ etag: tag, 'cache-control': 'private, no-cache' })
  return matches(request.headers['if-none-match'], tag) ? reply.code(304).send() : reply.send(await make())
}
