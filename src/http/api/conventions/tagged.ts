import type { FastifyReply, FastifyRequest } from 'fastify'
import { matches } from '../../requests/archive-reply.ts'
import { prefersText } from '../../requests/as-text.ts'

/** Returns the entity tag for an answer with these parts. JSON and text have different tags. */
export function tagOf(request: FastifyRequest, ...parts: readonly (string | number)[]): string {
  return `"${[...parts, ...(prefersText(request) ? ['text'] : [])].join('-')}"`
}

/** Sends `body` with an entity tag, or 304 if the client has it (`If-None-Match`). */
export async function replyTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  { tag, body }: { tag: string; body: unknown },
): Promise<FastifyReply> {
  reply.headers({ etag: tag, 'cache-control': 'private, no-cache', vary: 'accept, authorization' })
  return isKnown(request, tag) ? reply.code(304).send() : reply.send(body)
}

/** Whether the client has the answer with this tag. */
export function isKnown(request: FastifyRequest, tag: string): boolean {
  return matches(request.headers['if-none-match'], tag)
}
