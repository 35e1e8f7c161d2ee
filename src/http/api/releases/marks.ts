import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import type { MarkOutcome } from '../../../commands/releases/marks.ts'
import { formatIdent } from '../../../package/ident.ts'
import type { ReleaseName } from '../../../package/ident.ts'
import type { Mark } from '../../../package/mark.ts'
import { findRelease, getRelease } from '../../../releases/release-store.ts'
import type { Override } from '../../../views/gates.ts'
import { orText } from '../../requests/as-text.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { signedInAs } from '../../requests/rights.ts'
import { textToo } from '../conventions/responses.ts'
import { ReleasePath } from '../conventions/shapes.ts'
import { wireMarks, wireNotice } from '../conventions/wire.ts'
import { wirePromotion } from '../promotions/wire.ts'
import { MarkBody, MarkedRelease, ReleaseQuery, UnyankQuery, YankBody } from './shapes.ts'
import { markedText } from './text.ts'

const tags = ['releases']
const response = textToo(MarkedRelease)
const preSerialization = orText(markedText)

/** The marks that change no view, with the name of their resource. */
const PLAIN_MARKS = [
  {
    mark: 'deprecated',
    resource: 'deprecation',
    set: {
      operationId: 'deprecateRelease',
      summary: 'Deprecates a release',
      description:
        'For maintainers of the origin. Lists, plans and promotions warn of the release; nothing else changes. Safe to repeat; another reason replaces the first.',
    },
    remove: {
      operationId: 'undeprecateRelease',
      summary: 'Ends the deprecation of a release',
      description: 'For maintainers of the origin. Safe to repeat.',
    },
  },
  {
    mark: 'held',
    resource: 'hold',
    set: {
      operationId: 'holdRelease',
      summary: 'Holds a release, so that it is not deleted',
      description: 'For maintainers of the origin. Safe to repeat; another reason replaces the first.',
    },
    remove: {
      operationId: 'unholdRelease',
      summary: 'Ends the hold of a release',
      description: 'For maintainers of the origin. Safe to repeat.',
    },
  },
] as const

/** Routes for the marks of releases: yanks, deprecations and holds. */
export function markRoutes(app: FastifyInstance, context: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.put(
    '/releases/:origin/:name/:version/:release/yank',
    {
      schema: {
        operationId: 'yankRelease',
        tags,
        summary: 'Yanks a release',
        description:
          'For maintainers of the origin. latest no longer answers the release in views with the rule highest, and nobody can promote it. It still downloads by its full ident. Makes one revision in each view with the rule highest that contains it; a freeze of such a view refuses the yank unless it is overridden. Under the rule promoted, latest stays until somebody promotes, demotes or rolls back. Safe to repeat; another reason replaces the first.',
        errors: ['forbidden', 'not_found', 'refused'],

        params: ReleasePath,
        querystring: ReleaseQuery,
        body: YankBody,
        response,
      },
      onRequest: maintainersOnly,
      preSerialization,
    },
    async (request, reply) => reply.send(await mark(context, request, 'yanked', request.body)),
  )

  api.delete(
    '/releases/:origin/:name/:version/:release/yank',
    {
      schema: {
        operationId: 'unyankRelease',
        tags,
        summary: 'Ends the yank of a release',
        description:
          'For maintainers of the origin. Makes one revision in each view whose latest skipped the release; a freeze of such a view refuses that unless it is overridden. Safe to repeat.',
        errors: ['forbidden', 'not_found', 'refused'],

        params: ReleasePath,
        querystring: UnyankQuery,
        response,
      },
      onRequest: maintainersOnly,
      preSerialization,
    },
    async (request, reply) => {
      const { override } = request.query
      return reply.send(
        await unmark(
          context,
          request,
          'yanked',
          override === undefined ? {} : { override: { reason: override } },
        ),
      )
    },
  )

  for (const { mark: name, resource, set, remove } of PLAIN_MARKS) {
    const url = `/releases/:origin/:name/:version/:release/${resource}`
    api.put(
      url,
      {
        schema: {
          ...set,
          tags,
          errors: ['forbidden', 'not_found'],

          params: ReleasePath,
          querystring: ReleaseQuery,
          body: MarkBody,
          response,
        },
        onRequest: maintainersOnly,
        preSerialization,
      },
      async (request, reply) => reply.send(await mark(context, request, name, request.body)),
    )
    api.delete(
      url,
      {
        schema: {
          ...remove,
          tags,
          errors: ['forbidden', 'not_found'],

          params: ReleasePath,
          querystring: ReleaseQuery,
          response,
        },
        onRequest: maintainersOnly,
        preSerialization,
      },
      async (request, reply) => reply.send(await unmark(context, request, name)),
    )
  }
}

/** Route hook that, before the body is read, rejects callers who are not maintainers of the origin. */
async function maintainersOnly(request: FastifyRequest): Promise<void> {
  signedInAs(request, 'maintainer', (request.params as { origin: string }).origin, 'manage')
}

type ReleaseRequest = FastifyRequest<{
  Params: z.infer<typeof ReleasePath>
  Querystring: z.infer<typeof ReleaseQuery>
}>

async function mark(
  context: RouteContext,
  request: ReleaseRequest,
  name: Mark,
  { reason, override }: { reason: string; override?: Override | undefined },
): Promise<z.infer<typeof MarkedRelease>> {
  const release = await nameOf(context, request, name)
  const outcome = await context.depot.writer.submit({
    kind: 'markRelease',
    input: { ...release, mark: name, reason, ...(override && { override }) },
    actor: actorOf(request, 'api'),
  })
  return markedRelease(context, request, release, outcome)
}

async function unmark(
  context: RouteContext,
  request: ReleaseRequest,
  name: Mark,
  options: { override?: Override } = {},
): Promise<z.infer<typeof MarkedRelease>> {
  const release = await nameOf(context, request, name)
  const outcome = await context.depot.writer.submit({
    kind: 'unmarkRelease',
    input: { ...release, mark: name, ...options },
    actor: actorOf(request, 'api'),
  })
  return markedRelease(context, request, release, outcome)
}

/** Returns the ident and the target of the release in the URL. Throws `not_found`. */
async function nameOf({ depot }: RouteContext, request: ReleaseRequest, name: Mark): Promise<ReleaseName> {
  const ident = formatIdent(request.params)
  request.subject = `${ident} as ${name}`
  const release = await getRelease(depot.db, ident, request.query.target, audienceOf(request.caller))
  return { ident, target: release.target }
}

async function markedRelease(
  { depot }: RouteContext,
  { caller }: ReleaseRequest,
  { ident, target }: ReleaseName,
  { isChanged, revisions }: MarkOutcome,
): Promise<z.infer<typeof MarkedRelease>> {
  const release = await findRelease(depot.db, ident, target, audienceOf(caller))
  return {
    ident,
    target,
    changed: isChanged,
    ...wireMarks(release),
    hold: wireNotice(release?.held),
    promotions: revisions.map(wirePromotion),
  }
}
