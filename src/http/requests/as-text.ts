import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Route hook that offers JSON as text for people. Clients get text if they prefer `text/plain` (`Accept`) or
 * send `?format=text`; `write` makes the text. curl accepts anything and so gets JSON, which scripts rely on.
 */
export function orText(write: (body: never) => string) {
  return async (request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> => {
    reply.header('vary', 'accept, authorization')
    if (prefersText(request))
      reply.type('text/plain; charset=utf-8').serializer((body: unknown) => `${write(body as never)}\n`)
    return payload
  }
}

/** Reports whether the client wants text. `?format=` decides; without it, `Accept` does. */
export function prefersText(request: FastifyRequest): boolean {
  const { format } = (request.query ?? {}) as { format?: string } // a URL that cannot be decoded has no query
  return format === undefined ? acceptPrefersText(request) : format === 'text'
}

/** Reports whether the client prefers `text/plain` to JSON (`Accept`). */
export function acceptPrefersText(request: FastifyRequest): boolean {
  const ranges = parseAccept(request.headers.accept ?? '*/*')
  return quality(ranges, 'text', 'plain') > quality(ranges, 'application', 'json')
}

/** Reports whether the client lists `application/problem+json` (RFC 9457) and does not prefer text. */
export function namesProblem(request: FastifyRequest): boolean {
  const ranges = parseAccept(request.headers.accept ?? '*/*')
  const named = ranges.find((range) => range.type === 'application' && range.subtype === 'problem+json')
  return named !== undefined && named.q > 0 && named.q >= quality(ranges, 'text', 'plain')
}

/**
 * Reports whether the client lists `text/event-stream`, as every `EventSource` does, and does not prefer
 * JSON.
 */
export function prefersEvents(request: FastifyRequest): boolean {
  const ranges = parseAccept(request.headers.accept ?? '*/*')
  const named = ranges.find((range) => range.type === 'text' && range.subtype === 'event-stream')
  return named !== undefined && named.q > 0 && named.q >= quality(ranges, 'application', 'json')
}

/**
 * Reports whether the client lists `text/html`, as every browser does for pages, and does not prefer text.
 */
export function acceptsHtml(request: FastifyRequest): boolean {
  const ranges = parseAccept(request.headers.accept ?? '*/*')
  const named = ranges.find((range) => range.type === 'text' && range.subtype === 'html')
  return named !== undefined && named.q > 0 && named.q >= quality(ranges, 'text', 'plain')
}

interface MediaRange {
  readonly type: string
  readonly subtype: string
  readonly q: number
}

function parseAccept(header: string): MediaRange[] {
  return header.split(',').map((text) => {
    const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
    const [type = '', subtype = ''] = range.split('/')
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    return { type, subtype, q: q === undefined ? 1 : Number(q) || 0 }
  })
}

/** Returns the quality of the most specific range that matches (RFC 9110 12.5.1). */
function quality(ranges: readonly MediaRange[], type: string, subtype: string): number {
  const exact = ranges.find((range) => range.type === type && range.subtype === subtype)
  const any = ranges.find((range) => range.type === type && range.subtype === '*')
  const all = ranges.find((range) => range.type === '*')
  return (exact ?? any ?? all)?.q ?? 0
}
