import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { formatPackageName, makePackageName, originOf } from '../../../package/ident.ts'
import { listRules } from '../../../retention/rule-store.ts'
import { formatScope } from '../../../views/retention-rule.ts'
import type { RuleScope } from '../../../views/retention-rule.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly, needs, signedInAs } from '../../requests/rights.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery, ViewPath } from '../conventions/shapes.ts'
import { OriginPath, PackagePath, RuleBody, Rules, ScopedRule } from './shapes.ts'
import { ruleText, rulesText } from './text.ts'
import { ruleFromBody, wireRule } from './wire.ts'

const tags = ['retention']

/** Where the rule of each kind of scope is, and who may set it. */
const SCOPES = [
  {
    name: 'Depot',
    url: '/retention/rules/depot',
    of: 'the depot',
    who: 'Administrators only.',
    params: z.object({}),
    onRequest: administratorOnly,
    scopeOf: (): RuleScope => ({ of: 'depot' }),
  },
  {
    name: 'Origin',
    url: '/retention/rules/origins/:origin',
    of: 'an origin',
    who: 'For administrators of the origin. It counts in place of the rule of the depot.',
    params: OriginPath,
    onRequest: originAdministratorOnly,
    scopeOf: ({ origin = '' }: PathParts): RuleScope => ({ of: 'origin', origin }),
  },
  {
    name: 'Package',
    url: '/retention/rules/packages/:origin/:name',
    of: 'a package',
    who: 'For administrators of the origin. It counts in place of the rules of the origin and the depot.',
    params: PackagePath,
    onRequest: originAdministratorOnly,
    scopeOf: ({ origin = '', name = '' }: PathParts): RuleScope => ({
      of: 'package',
      package: formatPackageName(makePackageName({ origin, name })),
    }),
  },
  {
    name: 'View',
    url: '/retention/rules/views/:view',
    of: 'a view',
    who: 'Administrators only. Without a rule, all members of the view stay, and what left it stays for 30 days.',
    params: ViewPath,
    onRequest: administratorOnly,
    scopeOf: ({ view = '' }: PathParts): RuleScope => ({ of: 'view', view }),
  },
] as const

interface PathParts {
  readonly origin?: string
  readonly name?: string
  readonly view?: string
}

/** Routes for the retention rules of the depot, origins, packages and views. */
export function ruleRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/retention/rules',
    {
      schema: {
        operationId: 'listRetentionRules',
        tags,
        summary: 'Lists the retention rules',
        description: 'For signed-in callers. Rules of packages are listed for members of their origins.',
        errors: ['forbidden'],

        querystring: FormatQuery,
        response: textToo(Rules),
      },
      onRequest: needs('read'),
      preSerialization: orText(rulesText),
    },
    async (request, reply) => {
      const { seesAll, origins } = audienceOf(request.caller)
      const rules = (await listRules(depot.db)).filter(
        ({ scope }) => scope.of !== 'package' || seesAll || origins.includes(originOf(scope.package)),
      )
      return reply.send({ rules: rules.map(wireRule) })
    },
  )

  for (const { name, url, of, who, params, onRequest, scopeOf } of SCOPES) {
    api.put(
      url,
      {
        schema: {
          operationId: `set${name}Retention`,
          tags,
          summary: `Sets the retention rule of ${of}`,
          description: `${who} The depot applies the rule by itself after a day; look at the verdicts before. Safe to repeat.`,
          errors: ['conflict', 'forbidden', 'ident_malformed', 'not_found', 'refused'],

          params,
          querystring: FormatQuery,
          body: RuleBody,
          response: textToo(ScopedRule),
        },
        onRequest,
        preSerialization: orText(ruleText),
      },
      async (request, reply) => {
        const scope = scopeOf(request.params)
        request.subject = `retention of ${formatScope(scope)}`
        const rule = ruleFromBody(request.body)
        await depot.writer.submit({
          kind: 'setRetention',
          input: { scope, rule },
          actor: actorOf(request, 'api'),
        })
        const stored = (await listRules(depot.db)).find(
          (candidate) => formatScope(candidate.scope) === formatScope(scope),
        )
        if (stored === undefined)
          throw new DepotError('not_found', 'the retention rule was removed in the meantime')
        return reply.send(wireRule(stored))
      },
    )

    api.delete(
      url,
      {
        schema: {
          operationId: `remove${name}Retention`,
          tags,
          summary: `Removes the retention rule of ${of}`,
          description: who,
          errors: ['forbidden', 'ident_malformed', 'not_found', 'refused'],

          params,
          response: answers(z.undefined().describe('done'), 204),
        },
        onRequest,
      },
      async (request, reply) => {
        const scope = scopeOf(request.params)
        request.subject = `retention of ${formatScope(scope)}`
        await depot.writer.submit({
          kind: 'setRetention',
          input: { scope, rule: undefined },
          actor: actorOf(request, 'api'),
        })
        return reply.code(204).send()
      },
    )
  }
}

/** Route hook that rejects callers who are not administrators of the origin in the URL. */
async function originAdministratorOnly(request: FastifyRequest): Promise<void> {
  signedInAs(request, 'administrator', (request.params as { origin: string }).origin, 'manage')
}
