import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PROVIDERS } from '../../../signin/exchange-rule.ts'
import { getRule, listRules } from '../../../signin/exchange-rule-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { NO_STORE, answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, PageQuery } from '../conventions/shapes.ts'
import { parseNarrowing } from '../tokens/parse-narrowing.ts'
import { ExchangeRule, ExchangeRules, NewExchangeRule, RulePath } from './shapes.ts'
import { ruleText, rulesText } from './text.ts'
import { wireRule } from './wire.ts'

const tags = ['sign-in']

/** Routes that show and change exchange rules. Only administrators may use them. */
export function exchangeRuleRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const onRequest = administratorOnly

  api.get(
    '/exchange-rules',
    {
      schema: {
        operationId: 'listExchangeRules',
        tags,
        summary: 'Lists the rules for jobs of CI systems',
        description: 'Administrators only. Sorted by name.',
        errors: ['forbidden'],

        querystring: PageQuery,
        response: textToo(ExchangeRules),
      },
      onRequest,
      preSerialization: orText(rulesText),
    },
    async (request, reply) => {
      const listKey = { list: 'exchange-rules' }
      const after = placeIn(request.query, listKey, z.string())
      const found = await listRules(depot.db, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ name }) => name })
      return reply.headers(NO_STORE).send({ rules: items.map(wireRule), next })
    },
  )

  api.get(
    '/exchange-rules/:rule',
    {
      schema: {
        operationId: 'getExchangeRule',
        tags,
        summary: 'Shows a rule for jobs',
        description: 'Administrators only.',
        errors: ['forbidden', 'not_found'],

        params: RulePath,
        querystring: FormatQuery,
        response: textToo(ExchangeRule),
      },
      onRequest,
      preSerialization: orText(ruleText),
    },
    async (request, reply) =>
      reply.headers(NO_STORE).send(wireRule(await getRule(depot.db, request.params.rule))),
  )

  api.put(
    '/exchange-rules/:rule',
    {
      schema: {
        operationId: 'setExchangeRule',
        tags,
        summary: 'Creates or replaces a rule for jobs',
        description:
          'Administrators only, with a token that is not narrowed. A job whose ID token matches every claim of the rule can get a token of the account with the limits of the rule. Tokens that were issued before keep their limits. Safe to repeat.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: RulePath,
        body: NewExchangeRule,
        response: answers(ExchangeRule),
      },
      onRequest,
    },
    async (request, reply) => {
      const { rule: name } = request.params
      const {
        provider,
        issuer = PROVIDERS[provider].issuer,
        claims,
        account,
        lifetime,
        ...limits
      } = request.body
      request.subject = `exchange rule ${name}`
      const now = depot.now()
      const { scope, expiresAt = now } = await parseNarrowing(
        { db: depot.db, now },
        { ...limits, expires: lifetime },
      )
      await depot.writer.submit({
        kind: 'setExchangeRule',
        input: { name, provider, issuer, claims, account, scope, lifetimeMs: expiresAt - now },
        actor: actorOf(request, 'api'),
      })
      return reply.headers(NO_STORE).send(wireRule(await getRule(depot.db, name)))
    },
  )

  api.delete(
    '/exchange-rules/:rule',
    {
      schema: {
        operationId: 'removeExchangeRule',
        tags,
        summary: 'Removes a rule for jobs',
        description:
          'Administrators only. Tokens that the rule issued stay valid until they expire or are revoked.',
        errors: ['forbidden', 'not_found'],

        params: RulePath,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest,
    },
    async (request, reply) => {
      const { rule: name } = request.params
      request.subject = `exchange rule ${name}`
      await depot.writer.submit({
        kind: 'removeExchangeRule',
        input: { name },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )
}
