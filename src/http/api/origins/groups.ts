import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { listGroupRoles } from '../../../accounts/group-role-store.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { formatColumns } from '../../../text/columns.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAs } from '../../requests/rights.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { FormatQuery } from '../conventions/shapes.ts'
import { GroupAnswer, GroupPath, MemberBody, OriginGroups, OriginPath } from './shapes.ts'

const tags = ['origins']

/** Routes for the roles that groups of the single sign-on have in origins. */
export function originGroupRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/origins/:origin/groups',
    {
      schema: {
        operationId: 'listOriginGroups',
        tags,
        summary: 'Lists the groups with a role in an origin',
        description: 'For members. By name.',
        errors: ['forbidden', 'not_found'],

        params: OriginPath,
        querystring: FormatQuery,
        response: textToo(OriginGroups),
      },
      onRequest: needs('read'),
      preSerialization: orText(groupsText),
    },
    async (request, reply) => {
      const origin = await getOrigin(depot.db, request.params.origin)
      signedInAs(request, 'readonly_member', origin.name, 'read')
      const groups = (await listGroupRoles(depot.db, origin.id)).flatMap(({ group, role }) =>
        role === 'owner' ? [] : [{ group, role }],
      )
      return reply.send({ origin: origin.name, groups })
    },
  )

  api.put(
    '/origins/:origin/groups/:group',
    {
      schema: {
        operationId: 'setOriginGroup',
        tags,
        summary: 'Gives a group a role in an origin',
        description:
          'For administrators of the origin. People whom the single sign-on names in the group have the role, in addition to their own. Safe to repeat.',
        errors: ['forbidden', 'not_found'],

        params: GroupPath,
        body: MemberBody,
        response: answers(GroupAnswer),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin, group } = request.params
      const { role } = request.body
      request.subject = `group ${group} as ${role} of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      const { isChanged } = await depot.writer.submit({
        kind: 'setGroupRole',
        input: { origin, group, role },
        actor: actorOf(request, 'api'),
      })
      return reply.send({ origin, group, role, changed: isChanged })
    },
  )

  api.delete(
    '/origins/:origin/groups/:group',
    {
      schema: {
        operationId: 'removeOriginGroup',
        tags,
        summary: 'Takes the role of a group in an origin',
        description: 'For administrators of the origin. At once, also for people who are signed in.',
        errors: ['forbidden', 'not_found'],

        params: GroupPath,
        response: answers(z.undefined().describe('done'), 204),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin, group } = request.params
      request.subject = `group ${group} out of ${origin}`
      signedInAs(request, 'administrator', origin, 'manage')
      await depot.writer.submit({
        kind: 'setGroupRole',
        input: { origin, group, role: null },
        actor: actorOf(request, 'api'),
      })
      return reply.code(204).send()
    },
  )
}

function groupsText({ groups }: z.infer<typeof OriginGroups>): string {
  return formatColumns(
    ['GROUP', 'ROLE'],
    groups.map(({ group, role }) => [group, role]),
  )
}
