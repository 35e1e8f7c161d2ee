import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readerOf } from '../../../events/visibility.ts'
import type { RouteContext } from '../../requests/request.ts'
import { OptionalText } from '../html/query.ts'
import { readActivity } from './read-activity.ts'
import { GROUPS, activityContent } from './templates.ts'
import type { Group } from './templates.ts'

const PAGE_ENTRIES = 60
const groups = Object.keys(GROUPS) as Group[]
const ActivityQuery = z.object({
  view: OptionalText,
  origin: OptionalText,
  kind: z
    .union([z.literal(''), z.enum(groups)])
    .transform((kind) => (kind === '' ? undefined : kind))
    .optional(),
  before: z.coerce.number().int().min(1).optional(),
})

/** The route for the ledger, as far as the reader may see it. */
export function activityRoutes(app: FastifyInstance, context: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()

  pages.get('/activity', { schema: { querystring: ActivityQuery } }, async (request, reply) => {
    const { view, origin, kind, before } = request.query
    const filter = {
      ...(view !== undefined && { views: [view] }),
      ...(origin !== undefined && { origins: [origin] }),
      ...(kind !== undefined && { kinds: [...GROUPS[kind]] }),
    }
    const { entries, next } = await readActivity(
      context,
      { before, limit: PAGE_ENTRIES, filter },
      readerOf(request.caller),
    )
    return reply.page(activityContent(request.visit, { entries, next, query: request.query }))
  })
}
