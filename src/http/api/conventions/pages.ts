import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DepotError } from '../../../errors.ts'

// Lists are cut into pages. A cursor holds two things: the place of the last item of a page, which is the
// tuple that the list is sorted by, and a digest of the list's key, so that other lists refuse the cursor.
// Clients take the cursor from `next` and treat it as opaque.

/** Identifies a list: its name and its filters. All pages of a list have the same key. */
export type ListKey = Readonly<Record<string, string | number | undefined>>

interface Paged {
  readonly cursor?: string | undefined
  readonly limit: number
}

/**
 * Returns the place in the cursor of a request. The page begins after this place. Returns `undefined` for the
 * first page. Throws `invalid_request` if the cursor is malformed or belongs to another list.
 */
export function placeIn<Place>(query: Paged, listKey: ListKey, shape: z.ZodType<Place>): Place | undefined {
  if (query.cursor === undefined) return undefined
  const [digest, place] = unpack(query.cursor)
  const parsed = shape.safeParse(place)
  if (digest === digestOf(listKey) && parsed.success) return parsed.data
  const detail =
    'the cursor belongs to another list: start without a cursor, or use next with the same filters'
  throw new DepotError('invalid_request', detail, { parts: [{ detail, pointer: '/cursor' }] })
}

/** Returns the cursor of a place in a list, for {@link placeIn}. */
export function cursorOf(listKey: ListKey, place: unknown): string {
  return pack(digestOf(listKey), place)
}

/**
 * Cuts a list to a page. `items` has one item more than the page if there is a next page. Sets the `Link`
 * header to the next page and returns its URL. `pinned` are parameters that the next page needs and this
 * request may lack.
 */
export function cutPage<Item>(
  request: FastifyRequest<{ Querystring: Paged }>,
  reply: FastifyReply,
  page: {
    items: readonly Item[]
    listKey: ListKey
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
      cursor: cursorOf(page.listKey, page.placeOf(last)),
    }),
  }
}

/**
 * Sets the `Link` header to the next page and returns its URL: that of this request with some parameters
 * changed.
 */
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

function digestOf(listKey: ListKey): string {
  return createHash('sha256').update(JSON.stringify(listKey)).digest('base64url').slice(0, 8)
}
