import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { DepotError } from '../../errors.ts'
import { textToo } from './answers.ts'
import { orText } from './as-text.ts'
import { FormatQuery, WhoAmI } from './shapes.ts'
import { whoAmIText } from './text.ts'
import { wireSession } from './wire.ts'

export function whoamiRoutes(app: FastifyInstance): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/whoami',
    { schema: { tags: ['accounts'], summary: 'Whose token this is, and what it may', querystring: FormatQuery, response: textToo(WhoAmI) }, preSerialization: orText(whoAmIText) },
    async (request, reply) => {
      if (request.caller === undefined) throw new DepotError('unauthenticated', 'this needs a token')
      return reply.header('cache-control', 'no-store').send(wireSession(request.caller))
    },
  )
}
