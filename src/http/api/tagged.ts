import type { FastifyReply, FastifyRequest } from 'fastify'
import { matches } from '../requests/archive-reply.ts'
import { prefersText } from '../requests/as-text.ts'

/** The entity tag of an answer that is told apart by `parts`: its JSON has one, and its text another. */
export function tagOf(request: FastifyRequest, ...parts: readonly (string | number)[]): string {
  return `"${[...parts, ...(prefersText(request) ? ['text'] : [])].join('-')}"`
}

/** Sends `body` under an entity tag, or nothing to a client that has it (`If-None-Match`). */
export async function replyTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  { tag, body }: { tag: string; body: unknown },
): Promise<FastifyReply> {
  reply.headers({ etag: tag, 'cache-control': 'private, no-cache', vary: 'accept, authorization' })
  return isKnown(request, tag) ? reply.code(304).send() : reply.send(body)
}

/** Whether the client has what is under this tag. */
export function isKnown(request: FastifyRequest, tag: string): boolean {
  return matches(request.headers['if-none-match'], tag)
}
