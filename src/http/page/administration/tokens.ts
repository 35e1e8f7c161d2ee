import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ACTIONS } from '../../../access/access.ts'
import { expectAdministrator, expectMayManageTokensOf } from '../../../access/rights.ts'
import { getToken, listTokens, tokenNotFound } from '../../../accounts/account-store.ts'
import type { TokenDescription } from '../../../accounts/account-store.ts'
import { generateToken, hashToken } from '../../../accounts/token.ts'
import { TOKEN_PURPOSE } from '../../../origins/secret-purposes.ts'
import { placeIn } from '../../api/conventions/pages.ts'
import { parseNarrowing } from '../../api/tokens/parse-narrowing.ts'
import { TokenPath } from '../../api/tokens/shapes.ts'
import { wireToken } from '../../api/tokens/wire.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedIn, signedInAnyhow } from '../../requests/rights.ts'
import { Once, onceKey } from '../html/once.ts'
import { OptionalNames, OptionalText, parseFields, withQuery } from '../html/query.ts'
import { Csrf, FIRST_PAGE, ListQuery, cutList } from './frame.ts'
import { madeTokenContent, tokenContent, tokensContent } from './token-templates.ts'

const PATH = '/admin/tokens'
/** A form sends one ticked box as a text, and several as a list. */
const Actions = z
  .union([z.enum(ACTIONS).transform((action) => [action]), z.array(z.enum(ACTIONS)).max(ACTIONS.length)])
  .optional()
const Narrowing = { actions: Actions, origins: OptionalNames, views: OptionalNames, expires: OptionalText }
const NewTokenForm = z.object({
  ...Csrf,
  ...Once,
  account: OptionalText,
  label: z.string().trim().max(200).default(''),
  ...Narrowing,
})
const NarrowForm = z.object({ ...Csrf, ...Narrowing })
const TokensQuery = ListQuery.extend({ account: OptionalText, all: z.literal('true').optional() })

/** Pages for tokens: the caller's own, and for administrators those of all accounts. */
export function tokenPages(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, writer, secrets } = depot
  const toWire = (token: TokenDescription, caller: ReturnType<typeof signedIn>) =>
    wireToken(token, { caller, now: depot.now(), lastUseHere: depot.authenticator.uses.lastUseOf(token.id) })

  const showTokens = async (
    request: FastifyRequest,
    reply: FastifyReply,
    query: z.infer<typeof TokensQuery>,
  ) => {
    const caller = signedIn(request, 'read')
    const account = query.all === 'true' ? undefined : (query.account ?? caller.accountName)
    if (account !== caller.accountName) expectAdministrator(caller)
    const listKey = { list: 'tokens', account }
    const after = placeIn(query, listKey, z.int())
    const found = await listTokens(db, { account, after, limit: query.limit + 1 })
    const { items, next } = cutList(request.visit, query, {
      items: found,
      listKey,
      placeOf: ({ id }) => id,
      filters: { account: query.account, all: query.all },
      path: PATH,
    })
    const tokens = items.map((token) => toWire(token, caller))
    return reply.page(tokensContent(request.visit, { tokens, next, account }))
  }
  pages.get(PATH, { schema: { querystring: TokensQuery } }, async (request, reply) =>
    showTokens(request, reply, request.query),
  )

  const showNewForm = async (request: FastifyRequest, reply: FastifyReply) => {
    const { account } = parseFields(TokensQuery.pick({ account: true }), request.sentFields)
    return showTokens(request, reply, { ...FIRST_PAGE, account })
  }
  const forNew = {
    schema: { body: NewTokenForm },
    onRequest: needs('manage'),
    config: { showForm: showNewForm },
  }
  pages.post(PATH, forNew, async (request, reply) => {
    const caller = signedIn(request, 'manage')
    const { _csrf, once: _once, account = caller.accountName, label, ...narrowing } = request.body
    request.subject = `token of ${account}`
    expectMayManageTokensOf(caller, account)
    const { scope, expiresAt } = await parseNarrowing({ db, now: depot.now() }, narrowing)
    const secret = generateToken()
    const made = await writer.submit({
      kind: 'issueToken',
      input: {
        account,
        hash: hashToken(secret),
        label,
        scope,
        ...(expiresAt !== undefined && { expiresAt }),
        idempotency: onceKey(request),
        sealed: secrets.seal(secret, TOKEN_PURPOSE),
      },
      actor: actorOf(request, 'page'),
    })
    const token = toWire(await getToken(db, made.tokenId), caller)
    const shown = made.sealed === undefined ? secret : secrets.open(made.sealed, TOKEN_PURPOSE)
    return reply.page(madeTokenContent(request.visit, token, shown))
  })

  const showToken = async (request: FastifyRequest, reply: FastifyReply) => {
    const caller = signedIn(request, 'read')
    const token = await getToken(db, Number(TokenPath.parse(request.params).token))
    if (token.account !== caller.accountName) {
      if (!caller.isAdministrator) throw tokenNotFound(token.id)
      expectAdministrator(caller)
    }
    return reply.page(tokenContent(request.visit, toWire(token, caller)))
  }
  pages.get(`${PATH}/:token`, { schema: { params: TokenPath } }, showToken)

  pages.post(
    `${PATH}/:token/narrow`,
    { schema: { params: TokenPath, body: NarrowForm }, config: { showForm: showToken } },
    async (request, reply) => {
      signedInAnyhow(request)
      const { _csrf, ...narrowing } = request.body
      const tokenId = Number(request.params.token)
      request.subject = `token ${tokenId}`
      const { scope, expiresAt } = await parseNarrowing({ db, now: depot.now() }, narrowing)
      await writer.submit({
        kind: 'narrowToken',
        input: { tokenId, scope, ...(expiresAt !== undefined && { expiresAt }) },
        actor: actorOf(request, 'page'),
      })
      return reply.redirect(request.visit.to(`${PATH}/${tokenId}`), 303)
    },
  )

  pages.post(
    `${PATH}/:token/revoke`,
    { schema: { params: TokenPath, body: z.object(Csrf) }, config: { showForm: showToken } },
    async (request, reply) => {
      const { accountName } = signedInAnyhow(request)
      const tokenId = Number(request.params.token)
      request.subject = `token ${tokenId}`
      await writer.submit({ kind: 'revokeToken', input: { tokenId }, actor: actorOf(request, 'page') })
      const { account } = await getToken(db, tokenId)
      const to = withQuery(PATH, { account: account === accountName ? undefined : account })
      return reply.redirect(request.visit.to(to), 303)
    },
  )
}
