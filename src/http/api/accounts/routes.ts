import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { getAccount, listAccounts } from '../../../accounts/account-store.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs, signedInAnyhow } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery } from '../conventions/shapes.ts'
import {
  Account,
  AccountChanges,
  AccountDetail,
  AccountPath,
  Accounts,
  NewAccount,
  WhoAmI,
} from './shapes.ts'
import { accountText, accountsText, whoAmIText } from './text.ts'
import { wireAccount, wireSession } from './wire.ts'

const tags = ['accounts']

export function accountRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/whoami',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'whoAmI',
        tags,
        summary: 'Shows the account of the token, and its rights',
        description: 'For checking a token: answers 401 without a valid one.',

        querystring: FormatQuery,
        response: textToo(WhoAmI),
      },
      preSerialization: orText(whoAmIText),
    },
    async (request, reply) => reply.headers(NO_STORE).send(wireSession(signedInAnyhow(request))),
  )

  api.get(
    '/accounts',
    {
      schema: {
        operationId: 'listAccounts',
        tags,
        summary: 'Lists the accounts',
        description: 'Administrators only. By name.',
        errors: ['forbidden'],

        querystring: PageQuery,
        response: textToo(Accounts),
      },
      onRequest: administratorOnly,
      preSerialization: orText(accountsText),
    },
    async (request, reply) => {
      const listKey = { list: 'accounts' }
      const after = placeIn(request.query, listKey, z.string())
      const found = await listAccounts(depot.db, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ name }) => name })
      return reply.headers(NO_STORE).send({ accounts: items.map(wireAccount), next })
    },
  )

  api.post(
    '/accounts',
    {
      schema: {
        operationId: 'addAccount',
        tags,
        summary: 'Creates an account',
        description:
          'Administrators only. The account has no token and no role yet. With an Idempotency-Key, a repeated request changes nothing and gets the same answer for seven days.',
        errors: ['already_exists', 'forbidden', 'idempotency_mismatch'],

        headers: IdempotencyHeaders,
        body: NewAccount,
        response: answers(AccountDetail, 201),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { account: name, email, administrator } = request.body
      request.subject = `account ${name}`
      await depot.writer.submit({
        kind: 'addAccount',
        input: {
          name,
          isAdministrator: administrator,
          ...(email !== undefined && { email }),
          ...idempotencyOf(request),
        },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(201)
        .headers({ ...NO_STORE, location: `${request.publicPath}/api/v1/accounts/${name}` })
        .send(wireAccount(await getAccount(depot.db, name)))
    },
  )

  // This reveals nothing new: anyone who may manage an origin learns the same by adding a member.
  api.get(
    '/accounts/:account',
    {
      schema: {
        operationId: 'getAccount',
        tags,
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
      reply.headers(NO_STORE).send({ account: (await getAccount(depot.db, request.params.account)).name }),
  )

  api.patch(
    '/accounts/:account',
    {
      schema: {
        operationId: 'changeAccount',
        tags,
        summary: 'Disables or enables an account',
        description:
          'Administrators only, and not for their own account. The tokens of a disabled account are refused at once. Its tokens and roles are kept for when it is enabled again.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: AccountPath,
        body: AccountChanges,
        response: answers(AccountDetail),
      },
      onRequest: administratorOnly,
    },
    async (request, reply) => {
      const { account } = request.params
      const { disabled: isDisabled } = request.body
      request.subject = `account ${account}, ${isDisabled ? 'disabled' : 'enabled'}`
      await depot.writer.submit({
        kind: 'disableAccount',
        input: { account, isDisabled },
        actor: actorOf(request, 'api'),
      })
      return reply.headers(NO_STORE).send(wireAccount(await getAccount(depot.db, account)))
    },
  )
}
