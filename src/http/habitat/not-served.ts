import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { signedIn } from '../requests/rights.ts'

/**
 * What this depot leaves out of what Builder serves to who is signed in: 401 for who is not, as there, and then an empty 404; never
 * a 501, which `hab` takes for success (habitat-today.md 6, The client again). Whatever else is not served has no route.
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
