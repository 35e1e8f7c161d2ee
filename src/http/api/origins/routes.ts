import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { allowsOrigin, roleIn } from '../../../access/access.ts'
import type { Caller } from '../../../access/access.ts'
import { isNarrowed } from '../../../access/rights.ts'
import { getOrigin, listOrigins } from '../../../origins/origin-store.ts'
import type { Origin as StoredOrigin } from '../../../origins/origin-store.ts'
import { formatColumns } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayCreateOrigins, needs, signedInAs } from '../../requests/rights.ts'
import { IdempotencyHeaders, idempotencyOf } from '../conventions/idempotency.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { page, timeText } from '../conventions/text.ts'
import { wireTime } from '../conventions/wire.ts'
import { NewOrigin, NewOwner, Origin, OriginChanges, OriginPath, Origins, OriginsQuery } from './shapes.ts'

const tags = ['origins']

export function originRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/origins',
    {
      schema: {
        operationId: 'listOrigins',
        tags,
        summary: 'Lists the origins',
        description: "By name, with the caller's role in each.",

        querystring: OriginsQuery,
        response: textToo(Origins),
      },
      preSerialization: orText(originsText),
    },
    async (request, reply) => {
      const { member, limit } = request.query
      const { caller } = request
      const names = member === 'true' ? ownOrigins(caller) : undefined
      const listKey = { list: 'origins', of: member === 'true' ? caller?.accountName : undefined }
      const after = placeIn(request.query, listKey, z.string())
      const found = await listOrigins(depot.db, { names, after, limit: limit + 1 })
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ name }) => name })
      return reply.send({
        origins: items.map((origin) => ({
          ...wireOrigin(origin),
          role: roleIn(caller, origin.name) ?? null,
        })),
        next,
      })
    },
  )

  api.post(
    '/origins',
    {
      schema: {
        operationId: 'createOrigin',
        tags,
        summary: 'Creates an origin',
        description:
          'The caller owns it. Operators may restrict this to some accounts. With an Idempotency-Key, a repeated request changes nothing and gets the same answer for seven days.',
        errors: [
          'already_exists',
          'forbidden',
          'idempotency_mismatch',
          'origin_malformed',
          'origin_reserved',
        ],

        headers: IdempotencyHeaders,
        body: NewOrigin,
        response: answers(Origin, 201),
      },
      onRequest: async (request) => void expectMayCreateOrigins(request, depot.config),
    },
    async (request, reply) => {
      const { name, default_visibility: defaultVisibility } = request.body
      request.subject = `origin ${name}`
      const caller = expectMayCreateOrigins(request, depot.config)
      const origin = await depot.writer.submit({
        kind: 'createOrigin',
        input: { name, ownerId: caller.accountId, defaultVisibility, ...idempotencyOf(request) },
        actor: actorOf(request, 'api'),
      })
      return reply
        .code(201)
        .header('location', `${request.publicPath}/api/v1/origins/${name}`)
        .send(wireOrigin(origin))
    },
  )

  api.patch(
    '/origins/:origin',
    {
      schema: {
        operationId: 'changeOrigin',
        tags,
        summary: 'Sets the visibility of new packages of an origin',
        description: 'Administrators of the origin only. Existing packages keep theirs.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        body: OriginChanges,
        response: answers(Origin),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin } = request.params
      request.subject = `origin ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      await depot.writer.submit({
        kind: 'changeOrigin',
        input: { origin, defaultVisibility: request.body.default_visibility },
        actor: actorOf(request, 'api'),
      })
      return reply.send(wireOrigin(await getOrigin(depot.db, origin)))
    },
  )

  api.put(
    '/origins/:origin/owner',
    {
      schema: {
        operationId: 'transferOrigin',
        tags,
        summary: 'Gives an origin to another account',
        description:
          'The owner only, who becomes a maintainer or leaves the origin. The new owner must be a member of the origin, unless an administrator of the depot hands it over, for example because its owner is gone.',
        errors: ['conflict', 'forbidden', 'not_found', 'transfer_to_owner'],

        params: OriginPath,
        body: NewOwner,
        response: answers(Origin),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin } = request.params
      const { account, former_owner: formerOwner } = request.body
      request.subject = `origin ${origin} to ${account}`
      const caller = signedInAs(request, 'owner', origin, 'manage')
      const toAnyone = caller.isAdministrator && !isNarrowed(caller)
      await depot.writer.submit({
        kind: 'transferOrigin',
        input: { origin, account, toAnyone, formerOwner },
        actor: actorOf(request, 'api'),
      })
      return reply.send(wireOrigin(await getOrigin(depot.db, origin)))
    },
  )

  api.delete(
    '/origins/:origin',
    {
      schema: {
        operationId: 'deleteOrigin',
        tags,
        summary: 'Deletes an empty origin',
        description: 'The owner only. An origin with packages, members or other contents is refused.',
        errors: ['forbidden', 'not_found', 'origin_not_empty'],

        params: OriginPath,
        response: answers(z.undefined().describe('deleted'), 204),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin } = request.params
      request.subject = `origin ${origin}`
      signedInAs(request, 'owner', origin, 'manage')
      await depot.writer.submit({ kind: 'deleteOrigin', input: { origin }, actor: actorOf(request, 'api') })
      return reply.code(204).send()
    },
  )

  api.get(
    '/origins/:origin',
    {
      ...shows('origin'),
      schema: {
        operationId: 'getOrigin',
        tags,
        summary: 'Shows an origin',
        description: 'Names its owner and its default visibility.',
        errors: ['not_found'],

        params: OriginPath,
        querystring: FormatQuery,
        response: textToo(Origin),
      },
      preSerialization: orText(originText),
    },
    async (request, reply) => reply.send(wireOrigin(await getOrigin(depot.db, request.params.origin))),
  )
}

/**
 * Returns the origins in which the caller has a role and which the token reaches. The rights of an
 * administrator of the depot are not a role.
 */
function ownOrigins(caller: Caller): string[] {
  return caller === undefined ? [] : [...caller.roles.keys()].filter((origin) => allowsOrigin(caller, origin))
}

function wireOrigin(origin: StoredOrigin): z.infer<typeof Origin> {
  return {
    name: origin.name,
    owner: origin.owner,
    default_visibility: origin.defaultVisibility,
    is_upstream: origin.isUpstream,
    created_at: wireTime(origin.createdAt),
  }
}

function originsText({ origins, next }: z.infer<typeof Origins>): string {
  return page(
    ['ORIGIN', 'OWNER', 'NEW PACKAGES', 'MADE AT', 'YOUR ROLE'],
    origins.map((origin) => [
      origin.name,
      origin.owner,
      origin.default_visibility,
      timeText(origin.created_at),
      origin.role ?? '',
    ]),
    next,
  )
}

function originText({ name, owner, default_visibility, created_at }: z.infer<typeof Origin>): string {
  return formatColumns(
    ['ORIGIN', 'OWNER', 'NEW PACKAGES', 'MADE AT'],
    [[name, owner, default_visibility, timeText(created_at)]],
  )
}
