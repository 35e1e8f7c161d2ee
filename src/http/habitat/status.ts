import type { FastifyInstance } from 'fastify'

/** habitat-today.md 3.4: GET and HEAD, 200, empty. */
export function statusReads(app: FastifyInstance): void {
  app.get('/status', (_request, reply) => reply.send())
}
