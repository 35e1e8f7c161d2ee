import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { getAccount } from '../../accounts/account-store.ts'
import { DepotError } from '../../errors.ts'
import type { RouteContext } from '../requests/request.ts'
import { needs } from '../requests/rights.ts'
import { textToo } from './answers.ts'
import { orText } from '../requests/as-text.ts'
import { Account, AccountPath, FormatQuery, WhoAmI } from './shapes.ts'
import { accountText, whoAmIText } from './text.ts'
import { wireSession } from './wire.ts'

export function whoamiRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/whoami',
    {
      schema: {
        tags: ['accounts'],
        summary: 'Whose token this is, and what it may',
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

  // Whoever may manage an origin learns the same by making an account a member of it.
  api.get(
    '/accounts/:account',
    {
      schema: {
        tags: ['accounts'],
        summary: 'Whether there is an account of this name',
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
