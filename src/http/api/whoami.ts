import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { DepotError } from '../../errors.ts'
import { answers } from './answers.ts'
import { WhoAmI } from './shapes.ts'
import { wireSession } from './wire.ts'

export function whoamiRoutes(app: FastifyInstance): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/whoami',
    { schema: { tags: ['accounts'], summary: 'Whose token this is, and what it may', response: answers(WhoAmI) } },
    async (request, reply) => {
      if (request.caller === undefined) throw new DepotError('unauthenticated', 'this needs a token')
      return reply.header('cache-control', 'no-store').send(wireSession(request.caller))
    },
  )
}
