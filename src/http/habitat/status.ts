import type { FastifyInstance } from 'fastify'
import { shows } from '../requests/reading.ts'

/** Route for the status of the depot: GET and HEAD answer 200 without a body (habitat-today.md 3.4). */
export function statusReads(app: FastifyInstance): void {
  app.get('/status', shows('everyone'), (_request, reply) => reply.send())
}
