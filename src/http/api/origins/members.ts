import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { getOrigin, listMembers } from '../../../origins/origin-store.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAs, signedInFor } from '../../requests/rights.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { PageQuery } from '../conventions/shapes.ts'
import { page } from '../conventions/text.ts'
import { MemberAnswer, MemberBody, MemberPath, OriginMembers, OriginPath } from './shapes.ts'

const tags = ['origins']

/** Routes for the members of origins, and their roles. */
export function originMemberRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/origins/:origin/members',
    {
      schema: {
        operationId: 'listOriginMembers',
        tags,
        summary: 'Lists the members of an origin',
        description: 'For members. By name, with their roles.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        querystring: PageQuery,
        response: textToo(OriginMembers),
      },
      onRequest: needs('read'),
      preSerialization: orText(originMembersText),
    },
    async (request, reply) => {
      const origin = await getOrigin(depot.db, request.params.origin)
      signedInAs(request, 'readonly_member', origin.name, 'read')
      const listKey = { list: 'members', origin: origin.name }
      const after = placeIn(request.query, listKey, z.string())
      const found = await listMembers(depot.db, origin.name, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ account }) => account,
      })
      return reply.send({ origin: origin.name, members: [...items], next })
    },
  )

  api.put(
    '/origins/:origin/members/:account',
    {
      schema: {
        operationId: 'setOriginMember',
        tags,
        summary: 'Gives an account a role in an origin',
        description:
          'For administrators of the origin. Adds the account or changes its role. Safe to repeat.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: MemberPath,
        body: MemberBody,
        response: answers(MemberAnswer),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin, account } = request.params
      const { role } = request.body
      request.subject = `${account} as ${role} of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      const { isChanged } = await depot.writer.submit({
        kind: 'setMember',
        input: { origin, account, role },
        actor: actorOf(request, 'api'),
      })
      return reply.send({ origin, account, role, changed: isChanged })
    },
  )

  api.delete(
    '/origins/:origin/members/:account',
    {
      schema: {
        operationId: 'removeOriginMember',
        tags,
        summary: 'Removes an account from an origin',
        description: 'For administrators of the origin. The owner cannot be removed.',
        errors: ['conflict', 'forbidden', 'not_found'],

        params: MemberPath,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin, account } = request.params
      request.subject = `${account} out of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      await depot.writer.submit({
        kind: 'setMember',
        input: { origin, account, role: null },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )

  api.post(
    '/origins/:origin/leave',
    {
      schema: {
        operationId: 'leaveOrigin',
        tags,
        summary: 'Ends your membership of an origin',
        description: 'For every member but the owner, who must transfer the origin first.',
        errors: ['forbidden', 'not_origin_member', 'owner_cannot_depart'],

        params: OriginPath,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin } = request.params
      request.subject = `out of origin ${origin}`
      const { accountId, accountName: account } = signedInFor(request, origin, 'manage')
      await depot.writer.submit({
        kind: 'departOrigin',
        input: { origin, account, accountId },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )
}

function originMembersText({ members, next }: z.infer<typeof OriginMembers>): string {
  return page(
    ['ACCOUNT', 'ROLE'],
    members.map(({ account, role }) => [account, role]),
    next,
  )
}
