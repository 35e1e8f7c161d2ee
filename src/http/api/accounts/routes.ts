import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { getAccount } from '../../../accounts/account-store.ts'
import { DepotError } from '../../../errors.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs } from '../../requests/rights.ts'
import { textToo } from '../conventions/responses.ts'
import { orText } from '../../requests/as-text.ts'
import { Account, AccountPath, FormatQuery, WhoAmI } from '../conventions/shapes.ts'
import { accountText, whoAmIText } from '../conventions/text.ts'
import { wireSession } from '../conventions/wire.ts'

export function whoamiRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/whoami',
    {
      schema: {
        tags: ['accounts'],
        summary: 'The account of the token, and its rights',
        querystring: FormatQuery,
        response: textToo(WhoAmI),
      },
      preSerialization: orText(whoAmIText),
    },
    async (request, reply) => {
      if (request.caller === undefined) throw new DepotError('unauthenticated', 'this needs a token')
      return reply.header('cache-control', 'no-store').send(wireSession(request.caller))
    },
  )

  // This reveals nothing new: anyone who may manage an origin learns the same by adding a member.
  api.get(
    '/accounts/:account',
    {
      schema: {
        tags: ['accounts'],
        summary: 'Whether an account with this name exists',
        params: AccountPath,
        querystring: FormatQuery,
        response: textToo(Account),
      },
      onRequest: needs('manage'),
      preSerialization: orText(accountText),
    },
    async (request, reply) =>
      reply
        .header('cache-control', 'no-store')
        .send({ account: (await getAccount(depot.db, request.params.account)).name }),
  )
}
