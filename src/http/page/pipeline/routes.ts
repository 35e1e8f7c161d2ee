import type { FastifyInstance } from 'fastify'
import type { RouteContext } from '../../requests/request.ts'
import { firstRunContent } from './first-run.ts'

/** Routes for the first page: what runs where. */
export function pipelineRoutes(pages: FastifyInstance, _context: RouteContext): void {
  pages.get('/', async (request, reply) => reply.page(firstRunContent(request.visit)))
}
