import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { audienceOf } from '../../../access/access.ts'
import { getAccountName } from '../../../accounts/account-store.ts'
import { DepotError } from '../../../errors.ts'
import { findRelease, listTargets, listViewsOf } from '../../../releases/release-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { textToo } from '../conventions/responses.ts'
import { orText } from '../../requests/as-text.ts'
import { FormatQuery, Release, ReleasePath, TargetQuery } from '../conventions/shapes.ts'
import { releaseText } from '../conventions/text.ts'
import { wireRelease } from '../conventions/wire.ts'
import { formatIdent } from '../../../package/ident.ts'

const ReleaseQuery = TargetQuery.extend(FormatQuery.shape)

export function releaseRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/releases/:origin/:name/:version/:release',
    {
      schema: {
        tags: ['releases'],
        summary: 'A release, and the views it is in',
        params: ReleasePath,
        querystring: ReleaseQuery,
        response: textToo(Release),
      },
      preSerialization: orText(releaseText),
    },
    async (request, reply) => {
      const ident = formatIdent(request.params)
      const audience = audienceOf(request.caller)
      const release = await findRelease(depot.db, ident, request.query.target, audience)
      if (release === undefined) throw new DepotError('not_found', `there is no release ${ident}`)
      const targets = await listTargets(depot.db, ident, audience)
      const publisher = await getAccountName(depot.db, release.publisherId)
      const views = await listViewsOf(depot.db, release.id)
      return reply.send(wireRelease(release, { targets, publisher, views: views.toReversed() }))
    },
  )
}
