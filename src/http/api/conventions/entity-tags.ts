import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { matchesTag } from '../../requests/archive-reply.ts'
import { prefersText } from '../../requests/as-text.ts'

/** Returns the entity tag for an answer with these parts. JSON and text have different tags. */
export function tagOf(request: FastifyRequest, ...parts: readonly (string | number)[]): string {
  return `"${[...parts, ...(prefersText(request) ? ['text'] : [])].join('-')}"`
}

/**
 * Hashes an answer for its entity tag. The same revision can have different answers: callers may see other
 * packages, and a view may be frozen or closed.
 */
export function digestOf(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex').slice(0, 12)
}

/** Finds the digest of settings (`digestOfSettings`) in an entity tag, such as that of `If-Match`. */
export function settingsDigestIn(tag: string | undefined): string | undefined {
  return /["-]([0-9a-f]{32})[-"]/.exec(tag ?? '')?.[1]
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

/** Reports whether the client has the answer with this tag. */
export function isKnown(request: FastifyRequest, tag: string): boolean {
  return matchesTag(request.headers['if-none-match'], tag)
}

/**
 * Route hook that adds an entity tag to every complete answer to a read, unless the route did, and replies
 * 304 if the client has that answer (`If-None-Match`). The tag is a hash of the bytes, so it differs between
 * text and JSON and between callers with different rights. Streams have no tag.
 */
export async function tagAnswers(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  if (
    !isRead ||
    reply.statusCode !== 200 ||
    typeof payload !== 'string' ||
    reply.hasHeader('etag') ||
    isStream(reply)
  )
    return payload
  const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 22)}"`
  reply.header('etag', tag)
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache')
  if (!reply.hasHeader('vary')) reply.header('vary', 'authorization')
  if (!matchesTag(request.headers['if-none-match'], tag)) return payload
  reply.code(304).removeHeader('content-type')
  return null
}

function isStream(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type')).startsWith('text/event-stream')
}
