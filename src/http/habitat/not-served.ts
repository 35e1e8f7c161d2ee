import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { signedIn } from '../requests/rights.ts'

/**
 * Builder routes that this depot does not serve. Anonymous callers get 401, as in Builder; signed-in callers
 * get an empty 404. `hab` takes 501 for success (habitat-today.md 6, The client again).
 */
export function notServed(app: FastifyInstance): void {
  app.get('/profile/license', refuse)
  app.put('/profile/license', refuse)
  app.post('/ext/integrations/:type/credentials/validate', refuse)
}

async function refuse(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  signedIn(request, 'read')
  return reply.code(404).send()
}
