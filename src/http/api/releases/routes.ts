import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { formatIdent } from '../../../package/ident.ts'
import { getRelease } from '../../../releases/release-store.ts'
import { listMemberships } from '../../../revisions/membership-store.ts'
import { removeRelease } from '../../../publishing/remove-release.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { needs, signedInAs } from '../../requests/rights.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { answers, textToo } from '../conventions/responses.ts'
import { ReleasePath, TargetQuery } from '../conventions/shapes.ts'
import { HoldersQuery } from '../history/shapes.ts'
import { wireInterval } from '../history/wire.ts'
import { describeRelease } from './describe.ts'
import { Memberships, Release, ReleaseQuery } from './shapes.ts'
import { membershipsText, releaseText } from './text.ts'

const tags = ['releases']
const MembershipPlace = z.tuple([z.union([z.literal(0), z.literal(1)]), z.int(), z.int()])

export function releaseRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/releases/:origin/:name/:version/:release',
    {
      ...shows('release'),
      schema: {
        operationId: 'getRelease',
        tags,
        summary: 'Shows a release and the views that contain it',
        description:
          'Without target, the release for x86_64-linux, or else for the only target of the ident.',
        errors: ['not_found'],

        params: ReleasePath,
        querystring: ReleaseQuery,
        response: textToo(Release),
      },
      preSerialization: orText(releaseText),
    },
    async (request, reply) => {
      const ident = formatIdent(request.params)
      const audience = audienceOf(request.caller)
      const release = await getRelease(depot.db, ident, request.query.target, audience)
      return reply.send(await describeRelease(depot.db, release, audience))
    },
  )

  api.delete(
    '/releases/:origin/:name/:version/:release',
    {
      schema: {
        operationId: 'deleteRelease',
        tags,
        summary: 'Deletes a release for one target',
        description:
          'For members of the origin. The release leaves all views, with a revision in each. Refused while something keeps it, for example stable, a view with the rule promoted, a hold, or a package that depends on it; why lists these. Its ident may be published again.',
        errors: ['forbidden', 'not_found', 'in_use', 'refused'],

        params: ReleasePath,
        querystring: TargetQuery,
        response: answers(z.undefined().describe('deleted'), 204),
      },
      onRequest: needs('manage'),
    },
    async (request, reply) => {
      const { origin } = request.params
      const ident = formatIdent(request.params)
      request.subject = ident
      signedInAs(request, 'member', origin, 'manage')
      const { target } = await getRelease(depot.db, ident, request.query.target, audienceOf(request.caller))
      await removeRelease(depot, { ident, target }, actorOf(request, 'api'))
      return reply.code(204).send()
    },
  )

  api.get(
    '/releases/:origin/:name/:version/:release/views',
    {
      ...shows('origin'),
      schema: {
        operationId: 'listViewsOfRelease',
        tags,
        summary: 'Lists the views that contain or contained a release',
        description: 'With the revisions and times of each membership.',
        errors: ['not_found'],

        params: ReleasePath,
        querystring: HoldersQuery,
        response: textToo(Memberships),
      },
      preSerialization: orText(membershipsText),
    },
    async (request, reply) => {
      const ident = formatIdent(request.params)
      const release = await getRelease(depot.db, ident, request.query.target, audienceOf(request.caller))
      const listKey = { list: 'memberships', release: release.id }
      const after = placeIn(request.query, listKey, MembershipPlace)
      const found = await listMemberships(depot.db, release.id, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ place }) => place,
      })
      return reply.send({
        ident: formatIdent(release.ident),
        target: release.target,
        views: items.map(({ view, ...span }) => ({ view, ...wireInterval(span) })),
        next,
      })
    },
  )
}
