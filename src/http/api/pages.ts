import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DepotError } from '../../errors.ts'

// A page ends with a cursor: the sort tuple of its last item, and a digest of what was asked, so that a cursor of one question is
// refused with another. Clients take it from `next` and do not look inside.

/** What makes two requests pages of one list: the resource, and what it is narrowed to. */
export type Question = Readonly<Record<string, string | number | undefined>>

interface Paged {
  readonly cursor?: string | undefined
  readonly limit: number
}

/** The place after which a page begins; `undefined` for the first page. Throws `invalid_request` for a cursor that is not of this question. */
export function placeIn<Place>(query: Paged, question: Question, shape: z.ZodType<Place>): Place | undefined {
  if (query.cursor === undefined) return undefined
  const [digest, place] = unpack(query.cursor)
  const parsed = shape.safeParse(place)
  if (digest === digestOf(question) && parsed.success) return parsed.data
  const detail =
    'the cursor is not one of this list: begin without a cursor, or take it from next with the same filters'
  throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/cursor' }] })
}

/**
 * Cuts what was read, one item more than a page holds, to the page, and says where the next one is: in the `Link` header, and as
 * what this returns. `pinned` are parameters the next page must have even though this request did not.
 */
export function cutPage<Item>(
  request: FastifyRequest<{ Querystring: Paged }>,
  reply: FastifyReply,
  page: {
    items: readonly Item[]
    question: Question
    placeOf: (item: Item) => unknown
    pinned?: Readonly<Record<string, string>>
  },
): { items: readonly Item[]; next: string | null } {
  const { limit } = request.query
  const items = page.items.slice(0, limit)
  const last = items.at(-1)
  if (page.items.length <= limit || last === undefined) return { items, next: null }
  return {
    items,
    next: linkNext(request, reply, {
      ...page.pinned,
      cursor: pack(digestOf(page.question), page.placeOf(last)),
    }),
  }
}

/** Says in the `Link` header where the next page is, and returns it: the same request with some parameters changed. */
export function linkNext(
  request: FastifyRequest,
  reply: FastifyReply,
  changed: Readonly<Record<string, string>>,
): string {
  const [path = '', search = ''] = request.url.split('?', 2)
  const parameters = new URLSearchParams(search)
  for (const [name, value] of Object.entries(changed)) parameters.set(name, value)
  const next = `${request.publicPath}${path}?${parameters.toString()}`
  reply.header('link', `<${next}>; rel="next"`)
  return next
}

function pack(digest: string, place: unknown): string {
  return Buffer.from(JSON.stringify([digest, place])).toString('base64url')
}

function unpack(cursor: string): [unknown, unknown] {
  try {
    const unpacked: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
    return Array.isArray(unpacked) ? [unpacked[0], unpacked[1]] : [undefined, undefined]
  } catch {
    return [undefined, undefined]
  }
}

function digestOf(question: Question): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 8)
}
