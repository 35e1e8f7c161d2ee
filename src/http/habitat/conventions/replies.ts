import type { FastifyReply } from 'fastify'
import type { Page } from '../../../releases/ident-count-store.ts'
import { wirePage } from './shapes.ts'

export const NO_CACHE = 'private, no-cache, no-store'

export function sendJson(reply: FastifyReply, body: unknown): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(body))
}

/** Sends JSON that nobody may cache. */
export function sendUncached(reply: FastifyReply, body: unknown): FastifyReply {
  return sendJson(reply.header('cache-control', NO_CACHE), body)
}

/**
 * Sends a page of a list of the current protocol. `offset` becomes `range_start`. Most callers pass the
 * requested offset, although `pageAt` rounds the start of their page down (habitat-today.md 3.5).
 */
export function sendPage<Item>(
  reply: FastifyReply,
  page: Page<Item>,
  offset: number,
  write: (item: Item) => unknown,
): FastifyReply {
  const { status, body } = wirePage(page, offset, write)
  return sendUncached(reply.code(status), body)
}
