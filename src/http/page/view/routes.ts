import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { findMarks } from '../../../releases/mark-store.ts'
import { countPointers, listPointersAt } from '../../../revisions/content-store.ts'
import { filterVisibleFreezes } from '../../../revisions/freeze-store.ts'
import { getRevision, listRevisions } from '../../../revisions/history-store.ts'
import { findRevisionTime, getRevisionAt } from '../../../revisions/revision-store.ts'
import { getPastView, getView, getViewById } from '../../../revisions/view-store.ts'
import { isInForce } from '../../../views/freeze.ts'
import { parsePackageFilter } from '../../api/conventions/package-filter.ts'
import { momentOf } from '../../api/conventions/moment.ts'
import { actorOf } from '../../requests/request.ts'
import type { RouteContext } from '../../requests/request.ts'
import { expectMayChange } from '../../requests/rights.ts'
import { readFleet } from '../fleet/read-fleet.ts'
import { OptionalPeriod, OptionalText, linePlaceOf, withQuery } from '../html/query.ts'
import { viewPath } from '../html/parts.ts'
import { expectMayEnd } from './end-form.ts'
import { historyContent, revisionContent } from './history-templates.ts'
import { viewContent } from './templates.ts'

const ViewParams = z.object({ view: z.string() })
const ViewQuery = z.object({ at: OptionalText, origin: OptionalText, after: OptionalText })
const ThawForm = z.object({
  _csrf: z.string(),
  origin: OptionalText,
  name: OptionalText,
  override: OptionalText,
})
const FreezeForm = ThawForm.extend({
  reason: z.string().trim().min(1).max(500),
  period: OptionalPeriod,
})
const PAGE_ROWS = 200
const NEWEST_REVISIONS = 8
const PAGE_REVISIONS = 50

/** Routes for a view: what it has, at any revision or date, and its history. */
export function viewRoutes(app: FastifyInstance, context: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { depot } = context
  const { db, now } = depot

  const show = async (
    request: FastifyRequest,
    reply: FastifyReply,
    query: z.infer<typeof ViewQuery>,
  ): Promise<FastifyReply> => {
    const { at, origin, after } = query
    const audience = audienceOf(request.caller)
    const found = await getPastView(db, ViewParams.parse(request.params).view)
    const revision = await getRevisionAt(db, found, momentOf(at))
    const place = linePlaceOf(after)
    const [freezes, pointers, packages, history, madeAt, base, fleet] = await Promise.all([
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
      at === undefined ? readFleet(context, request.caller, [found]) : undefined,
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
        fleet,
        previewOf: base?.name,
        query,
        next:
          last &&
          withQuery(viewPath(found.name), {
            at: at ?? String(revision),
            origin,
            after: `${last.package} ${last.target}`,
          }),
      }),
    )
  }
  const showForm = async (request: FastifyRequest, reply: FastifyReply) => show(request, reply, {})

  pages.get(
    '/views/:view',
    { schema: { params: ViewParams, querystring: ViewQuery } },
    async (request, reply) => show(request, reply, request.query),
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
      const { caller } = request
      const revision = await getRevision(db, view, request.params.revision, audienceOf(caller))
      const fleet = await readFleet(context, caller, [view], (line) => line.revision === revision.revision)
      return reply.page(revisionContent(request.visit, { view, revision, fleet }))
    },
  )

  pages.post(
    '/views/:view/freeze',
    { schema: { params: ViewParams, body: FreezeForm }, config: { showForm } },
    async (request, reply) => {
      const { reason, period, origin, name, override } = request.body
      const found = await getView(db, request.params.view)
      const { name: view } = found
      expectMayChange(request, found, [])
      request.subject = `freeze ${view}`
      const input = {
        view,
        ...parsePackageFilter({ origin, name }),
        reason,
        ...(period !== undefined && { until: now() + period }),
        ...(override !== undefined && { override: { reason: override } }),
      }
      await depot.writer.submit({ kind: 'freeze', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(viewPath(view)), 303)
    },
  )

  pages.post(
    '/views/:view/thaw',
    { schema: { params: ViewParams, body: ThawForm }, config: { showForm } },
    async (request, reply) => {
      const found = await getView(db, request.params.view)
      const { name: view } = found
      expectMayChange(request, found, [])
      const { origin, name, override } = request.body
      request.subject = `thaw ${view}`
      const input = {
        view,
        ...parsePackageFilter({ origin, name }),
        ...(override !== undefined && { override: { reason: override } }),
      }
      await depot.writer.submit({ kind: 'thaw', input, actor: actorOf(request, 'page') })
      return reply.redirect(request.visit.to(viewPath(view)), 303)
    },
  )

  pages.post(
    '/views/:view/end',
    { schema: { params: ViewParams, body: z.object({ _csrf: z.string() }) }, config: { showForm } },
    async (request, reply) => {
      const found = await getView(db, request.params.view)
      const { name, preview } = found
      request.subject = `delete ${name}`
      expectMayEnd(request, found)
      const actor = actorOf(request, 'page')
      if (preview === undefined)
        await depot.writer.submit({ kind: 'closeView', input: { view: name }, actor })
      else await depot.writer.submit({ kind: 'dropPreview', input: { name }, actor })
      return reply.redirect(request.visit.to('/'), 303)
    },
  )
}
