import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import type { Session } from '../../../access/access.ts'
import { getAccount } from '../../../accounts/account-store.ts'
import { DepotError } from '../../../errors.ts'
import { formatColumns } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs } from '../../requests/rights.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { seconds } from '../conventions/text.ts'
import { wireTime } from '../conventions/wire.ts'
import { Account, AccountPath, WhoAmI } from './shapes.ts'

export function whoamiRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/whoami',
    {
      schema: {
        operationId: 'whoAmI',
        tags: ['accounts'],
        summary: 'Shows the account of the token, and its rights',
        description: 'For checking a token: answers 401 without a valid one.',

        querystring: FormatQuery,
        response: textToo(WhoAmI),
      },
      preSerialization: orText(whoAmIText),
    },
    async (request, reply) => {
      if (request.caller === undefined) throw new DepotError('unauthenticated', 'this request needs a token')
      return reply.header('cache-control', 'no-store').send(wireSession(request.caller))
    },
  )

  // This reveals nothing new: anyone who may manage an origin learns the same by adding a member.
  api.get(
    '/accounts/:account',
    {
      schema: {
        operationId: 'getAccount',
        tags: ['accounts'],
        summary: 'Shows whether an account exists',
        description: 'For tokens that may manage.',
        errors: ['forbidden', 'not_found'],

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

function wireSession(session: Session): z.infer<typeof WhoAmI> {
  const { actions, origins, views } = session.scope
  return {
    account: session.accountName,
    administrator: session.isAdministrator,
    token: {
      expires_at: wireTime(session.expiresAt),
      actions: actions === undefined ? null : [...actions],
      origins: origins === undefined ? null : [...origins],
      views: views === undefined ? null : [...views],
    },
    roles: Object.fromEntries([...session.roles].filter(([origin]) => origins?.includes(origin) ?? true)),
  }
}

function whoAmIText({ account, administrator, token, roles }: z.infer<typeof WhoAmI>): string {
  const only = [token.actions, token.origins, token.views].map((names) =>
    names === null ? 'all' : names.join(','),
  )
  const rights = formatColumns(
    ['ACCOUNT', 'ADMINISTRATOR', 'EXPIRES', 'ACTIONS', 'ORIGINS', 'VIEWS'],
    [[account, administrator ? 'yes' : 'no', seconds(token.expires_at), ...only]],
  )
  const rows = Object.entries(roles)
  return rows.length === 0 ? rights : `${rights}\n\n${formatColumns(['ORIGIN', 'ROLE'], rows)}`
}

function accountText({ account }: z.infer<typeof Account>): string {
  return formatColumns(['ACCOUNT'], [[account]])
}
