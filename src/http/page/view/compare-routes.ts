import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { listDifferences } from '../../../revisions/diff-store.ts'
import type { ViewState } from '../../../revisions/diff-store.ts'
import { getRevisionAt } from '../../../revisions/revision-store.ts'
import { getPastView, listViews } from '../../../revisions/view-store.ts'
import { momentOf } from '../../api/conventions/moment.ts'
import type { RouteContext } from '../../requests/request.ts'
import { linePlaceOf } from '../html/query.ts'
import { CompareQuery } from './compare-query.ts'
import { compareContent } from './compare-templates.ts'

const params = z.object({ view: z.string() })
const PAGE_ROWS = 200

/** The route that compares two views, or two states of a view. */
export function compareRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db } = depot

  const stateOf = async (name: string, moment: ReturnType<typeof momentOf>): Promise<ViewState> => {
    const view = await getPastView(db, name)
    return { view, revision: await getRevisionAt(db, view, moment) }
  }

  pages.get(
    '/views/:view/compare',
    { schema: { params, querystring: CompareQuery } },
    async (request, reply) => {
      const { query, visit } = request
      const { at, with: other = request.params.view, with_at: withAt, origin, name, after } = query
      const from = await stateOf(request.params.view, momentOf(at))
      const to = await stateOf(other, momentOf(withAt, '/with_at'))
      const place = linePlaceOf(after)
      const page = {
        ...(origin !== undefined && { origin }),
        ...(name !== undefined && { name }),
        ...(place !== undefined && { after: place }),
        limit: PAGE_ROWS + 1,
      }
      const found = await listDifferences(db, { from, to }, page, audienceOf(request.caller))
      const differences = found.slice(0, PAGE_ROWS)
      return reply.page(
        compareContent(visit, {
          from,
          to,
          query,
          differences,
          views: await listViews(db),
          last: found.length > PAGE_ROWS ? differences.at(-1) : undefined,
        }),
      )
    },
  )
}
