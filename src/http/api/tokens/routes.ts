import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Session } from '../../../access/access.ts'
import { expectAdministrator, expectMayManageTokensOf } from '../../../access/rights.ts'
import { getToken, listTokens, tokenNotFound } from '../../../accounts/account-store.ts'
import type { TokenDescription } from '../../../accounts/account-store.ts'
import { generateToken, hashToken } from '../../../accounts/token.ts'
import { TOKEN_PURPOSE } from '../../../origins/secret-purposes.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedIn, signedInAnyhow, signedInOnly } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { parseNarrowing } from './parse-narrowing.ts'
import { MadeToken, NarrowedToken, NewToken, Token, TokenPath, Tokens, TokensQuery } from './shapes.ts'
import { tokenText, tokensText } from './text.ts'
import { wireToken } from './wire.ts'

const tags = ['tokens']

export function tokenRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  const toWire = (token: TokenDescription, caller: Session) =>
    wireToken(token, { caller, now: depot.now(), lastUseHere: depot.authenticator.uses.lastUseOf(token.id) })

  api.get(
    '/tokens',
    {
      schema: {
        operationId: 'listTokens',
        tags,
        summary: 'Lists tokens',
        description:
          'Your own, or for administrators those of any account. Oldest first, without their secrets. Needs a token that may read.',
        errors: ['forbidden'],

        querystring: TokensQuery,
        response: textToo(Tokens),
      },
      onRequest: needs('read'),
      preSerialization: orText(tokensText),
    },
    async (request, reply) => {
      const caller = signedIn(request, 'read')
      const { all, limit } = request.query
      const account = all === 'true' ? undefined : (request.query.account ?? caller.accountName)
      if (account !== caller.accountName) expectAdministrator(caller)
      const listKey = { list: 'tokens', account }
      const after = placeIn(request.query, listKey, z.int())
      const found = await listTokens(depot.db, { account, after, limit: limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ id }) => id })
      return reply.headers(NO_STORE).send({ tokens: items.map((token) => toWire(token, caller)), next })
    },
  )

  api.post(
    '/tokens',
    {
      schema: {
        operationId: 'addToken',
        tags,
        summary: 'Creates a token',
        description:
          'Of your own account, or for administrators of any. Needs a token that is not narrowed, and the new one expires no later. The answer has the secret, which is shown only once. With an Idempotency-Key, a repeated request gets the same token for seven days.',
        errors: ['conflict', 'forbidden', 'idempotency_mismatch', 'not_found'],

        headers: IdempotencyHeaders,
        body: NewToken,
        response: answers(MadeToken, 201),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const caller = signedIn(request, 'manage')
      const { account = caller.accountName, label } = request.body
      request.subject = `token of ${account}`
      expectMayManageTokensOf(caller, account)
      const { scope, expiresAt } = await parseNarrowing({ db: depot.db, now: depot.now() }, request.body)
      const secret = generateToken()
      const once = idempotencyOf(request)
      const made = await depot.writer.submit({
        kind: 'issueToken',
        input: {
          account,
          hash: hashToken(secret),
          label,
          scope,
          ...(expiresAt !== undefined && { expiresAt }),
          ...(once.idempotency && { ...once, sealed: depot.secrets.seal(secret, TOKEN_PURPOSE) }),
        },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(201)
        .headers({ ...NO_STORE, location: `${request.publicPath}/api/v1/tokens/${made.tokenId}` })
        .send({
          ...toWire(await getToken(depot.db, made.tokenId), caller),
          secret: made.sealed === undefined ? secret : depot.secrets.open(made.sealed, TOKEN_PURPOSE),
        })
    },
  )

  api.get(
    '/tokens/:token',
    {
      schema: {
        operationId: 'getToken',
        tags,
        summary: 'Shows a token',
        description: 'Your own, or for administrators any. Without its secret. Needs a token that may read.',
        errors: ['forbidden', 'not_found'],

        params: TokenPath,
        querystring: FormatQuery,
        response: textToo(Token),
      },
      onRequest: needs('read'),
      preSerialization: orText(tokenText),
    },
    async (request, reply) => {
      const caller = signedIn(request, 'read')
      const token = await getToken(depot.db, Number(request.params.token))
      if (token.account !== caller.accountName) {
        if (!caller.isAdministrator) throw tokenNotFound(token.id)
        expectAdministrator(caller) // refuses narrowed tokens
      }
      return reply.headers(NO_STORE).send(toWire(token, caller))
    },
  )

  api.patch(
    '/tokens/:token',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'narrowToken',
        tags,
        summary: 'Narrows a token',
        description:
          'Takes rights from a token, or lets it expire earlier. Absent fields keep their values, and a token never gains rights. Every token may narrow itself. Only a token that is not narrowed may narrow others.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: TokenPath,
        body: NarrowedToken,
        response: answers(Token),
      },
      onRequest: signedInOnly,
    },
    async (request, reply) => {
      const caller = signedInAnyhow(request)
      const tokenId = Number(request.params.token)
      request.subject = `token ${tokenId}`
      const { scope, expiresAt } = await parseNarrowing({ db: depot.db, now: depot.now() }, request.body)
      await depot.writer.submit({
        kind: 'narrowToken',
        input: { tokenId, scope, ...(expiresAt !== undefined && { expiresAt }) },
        actor: actorOf(request, 'api'),
      })
      return reply.headers(NO_STORE).send(toWire(await getToken(depot.db, tokenId), caller))
    },
  )

  api.delete(
    '/tokens/:token',
    {
      ...shows('every-token'),
      schema: {
        operationId: 'revokeToken',
        tags,
        summary: 'Revokes a token',
        description:
          'At once and for good. Every token may revoke itself. Only a token that is not narrowed may revoke others.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: TokenPath,
        response: answers(z.undefined().describe('revoked'), 204),
      },
      onRequest: signedInOnly,
    },
    async (request, reply) => {
      const tokenId = Number(request.params.token)
      request.subject = `token ${tokenId}`
      await depot.writer.submit({ kind: 'revokeToken', input: { tokenId }, actor: actorOf(request, 'api') })
      return reply.code(204).send()
    },
  )
}
