import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { TARGETS } from '../../../package/target.ts'
import { findMarks } from '../../../releases/mark-store.ts'
import { countPointers, listPointersAt } from '../../../revisions/content-store.ts'
import { filterVisibleFreezes } from '../../../revisions/freeze-store.ts'
import { getRevision, listRevisions } from '../../../revisions/history-store.ts'
import { findRevisionTime, getRevisionAt } from '../../../revisions/revision-store.ts'
import { getPastView, getViewById } from '../../../revisions/view-store.ts'
import { isInForce } from '../../../views/freeze.ts'
import { momentOf } from '../../api/conventions/moment.ts'
import type { RouteContext } from '../../requests/request.ts'
import { OptionalText, withQuery } from '../html/query.ts'
import { viewPath } from '../html/parts.ts'
import { historyContent, revisionContent } from './history-templates.ts'
import { viewContent } from './templates.ts'

const ViewParams = z.object({ view: z.string() })
const ViewQuery = z.object({ at: OptionalText, origin: OptionalText, after: OptionalText })
const PAGE_ROWS = 200
const NEWEST_REVISIONS = 8
const PAGE_REVISIONS = 50

/** Routes for a view: what it has, at any revision or date, and its history. */
export function viewRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, now } = depot

  pages.get(
    '/views/:view',
    { schema: { params: ViewParams, querystring: ViewQuery } },
    async (request, reply) => {
      const { at, origin, after } = request.query
      const audience = audienceOf(request.caller)
      const found = await getPastView(db, request.params.view)
      const revision = await getRevisionAt(db, found, momentOf(at))
      const place = placeOf(after)
      const [freezes, pointers, packages, history, madeAt, base] = await Promise.all([
        filterVisibleFreezes(
          db,
          found.freezes.filter((freeze) => isInForce(freeze, now())),
          audience,
        ),
        listPointersAt(
          db,
          found,
          revision,
          { ...(origin !== undefined && { origin }), ...(place && { after: place }), limit: PAGE_ROWS + 1 },
          audience,
        ),
        countPointers(db, found.id, audience),
        listRevisions(db, found, { before: revision + 1, limit: NEWEST_REVISIONS }, audience),
        findRevisionTime(db, found.id, revision),
        found.preview && getViewById(db, found.preview.baseId),
      ])
      const shown = pointers.slice(0, PAGE_ROWS)
      const last = pointers.length > PAGE_ROWS ? shown.at(-1) : undefined
      return reply.page(
        viewContent(request.visit, {
          view: { ...found, freezes },
          revision,
          madeAt,
          isPast: at !== undefined,
          pointers: shown,
          marks: await findMarks(
            db,
            shown.map(({ releaseId }) => releaseId),
          ),
          packages,
          history,
          previewOf: base?.name,
          query: request.query,
          next:
            last &&
            withQuery(viewPath(found.name), {
              at: at ?? String(revision),
              origin,
              after: `${last.package} ${last.target}`,
            }),
        }),
      )
    },
  )

  pages.get(
    '/views/:view/history',
    {
      schema: {
        params: ViewParams,
        querystring: z.object({ before: z.coerce.number().int().min(1).optional() }),
      },
    },
    async (request, reply) => {
      const view = await getPastView(db, request.params.view)
      const before = request.query.before ?? view.revision + 1
      const revisions = await listRevisions(
        db,
        view,
        { before, limit: PAGE_REVISIONS },
        audienceOf(request.caller),
      )
      const last = revisions.at(-1)?.revision ?? 1
      return reply.page(historyContent(request.visit, { view, revisions, next: last > 1 ? last : undefined }))
    },
  )

  pages.get(
    '/views/:view/revisions/:revision',
    { schema: { params: ViewParams.extend({ revision: z.coerce.number().int().min(0) }) } },
    async (request, reply) => {
      const view = await getPastView(db, request.params.view)
      const revision = await getRevision(db, view, request.params.revision, audienceOf(request.caller))
      return reply.page(revisionContent(request.visit, view, revision))
    },
  )
}

/** Returns the package and the target after which a page begins. */
function placeOf(after: string | undefined) {
  const [name = '', text] = after?.split(' ') ?? []
  const target = TARGETS.find((each) => each === text)
  return target === undefined ? undefined : ([name, target] as const)
}
