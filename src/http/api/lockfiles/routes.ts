import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import { readContent } from '../../../lockfiles/lockfile-store.ts'
import type { LockfileAudience } from '../../../lockfiles/lockfile.ts'
import { signLockfile } from '../../../lockfiles/signed-lockfile.ts'

import { getRevisionAt } from '../../../revisions/revision-store.ts'
import { getPastView } from '../../../revisions/view-store.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { momentOf } from '../conventions/moment.ts'
import { MOMENT_FORMS, Target, ViewPath } from '../conventions/shapes.ts'
import { getOrMakeSigningKey } from './depot-keys.ts'
import { parsePackageFilter } from '../conventions/package-filter.ts'
import { LockfileText } from './shapes.ts'

const LockfileQuery = z.strictObject({
  at: z.string().optional().describe(`${MOMENT_FORMS}: uses the view as it was then; default: now`),
  origin: z.string().optional(),
  name: z.string().optional(),
  target: Target.optional(),
  skip_deleted: z
    .enum(['true', 'false'])
    .default('false')
    .describe('omits releases that were deleted since then. Without it, such a release causes 409'),
})

const response = {
  200: {
    description: 'the lockfile: header lines, an empty line, one line per release, and a signature',
    content: { 'text/plain': { schema: LockfileText } },
  },
}

export function lockfileRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  // Lockfiles are made one at a time: each may list a hundred thousand releases, which are all in memory
  // meanwhile.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(make: () => Promise<T>): Promise<T> => {
    const turn = last.then(make, make)
    last = turn
    return turn
  }

  app.withTypeProvider<ZodTypeProvider>().get(
    '/views/:view/lockfile',
    {
      ...shows('view'),
      schema: {
        operationId: 'getLockfile',
        tags: ['lockfiles'],
        summary: 'Downloads a signed lockfile of a view',
        description:
          'Another depot can pull the view from it. It lists the releases that the caller may see, at most 100,000. A release that was deleted since causes 409, unless skip_deleted is true.',
        errors: ['conflict', 'ident_malformed', 'not_found', 'other_history', 'release_differs', 'too_large'],

        params: ViewPath,
        querystring: LockfileQuery,
        response,
      },
    },
    async (request, reply) => {
      const { at, origin, name, target, skip_deleted } = request.query
      const filter = { ...parsePackageFilter({ origin, name }), ...(target !== undefined && { target }) }
      const view = await getPastView(depot.db, request.params.view)
      const revision = await getRevisionAt(depot.db, view, momentOf(at))
      const audience = audienceOf(request.caller)
      const content = { view, revision, filter, skipsDeleted: skip_deleted === 'true' }
      // Only the public URL that the operator configured is signed. The Host header of a request proves
      // nothing.
      const { publicUrl } = depot.config
      const head = {
        depot: publicUrl === undefined ? undefined : new URL(publicUrl).href.replace(/\/$/, ''),
        view: view.name,
        revision,
        filter,
        audience: lockfileAudience(audience),
      }
      const key = await getOrMakeSigningKey(depot)
      const text = await inTurn(async () =>
        signLockfile({ ...head, ...(await readContent(depot.db, content, audience)) }, key),
      )
      reply.type('text/plain; charset=utf-8').serializer(String)
      return reply.send(text)
    },
  )
}

/** Returns the word with which a lockfile names its audience. */
function lockfileAudience({ seesAll, origins }: Audience): LockfileAudience {
  if (seesAll) return 'everyone'
  return origins.length === 0 ? 'public' : 'members'
}
