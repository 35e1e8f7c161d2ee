import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { formatPackageName } from '../../../package/ident.ts'
import { DEFAULT_TARGET, TARGETS } from '../../../package/target.ts'
import { findRevisionTime, getRevisionAt } from '../../../revisions/revision-store.ts'
import { listDifferences } from '../../../revisions/diff-store.ts'
import type { ViewState } from '../../../revisions/diff-store.ts'
import { getRevision, listRevisions } from '../../../revisions/history-store.ts'
import { listLatestSpans } from '../../../revisions/membership-store.ts'
import { getPastView } from '../../../revisions/view-store.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { momentOf } from '../conventions/moment.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { FormatQuery, LinePath, PageQuery, ViewPath } from '../conventions/shapes.ts'
import { wireTime } from '../conventions/wire.ts'
import { Diff, DiffQuery, History, Holders, HoldersQuery, RevisionPath, RevisionShape } from './shapes.ts'
import { diffText, historyText, holdersText, revisionText } from './text.ts'
import { wireInterval, wireRevision } from './wire.ts'

const tags = ['history of views']
const LinePlace = z.tuple([z.string(), z.enum(TARGETS)])

/** Routes for the revisions of views, and for the differences between two states. */
export function historyRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  async function stateOf(name: string, moment: ReturnType<typeof momentOf>): Promise<ViewState> {
    const view = await getPastView(depot.db, name)
    return { view, revision: await getRevisionAt(depot.db, view, moment) }
  }

  async function wireState({ view, revision }: ViewState) {
    return { view: view.name, revision, at: wireTime(await findRevisionTime(depot.db, view.id, revision)) }
  }

  api.get(
    '/views/:view/history',
    {
      ...shows('view'),
      schema: {
        operationId: 'listRevisions',
        tags,
        summary: 'Lists the revisions of a view',
        description: 'Newest first.',
        errors: ['not_found'],

        params: ViewPath,
        querystring: PageQuery,
        response: textToo(History),
      },
      preSerialization: orText(historyText),
    },
    async (request, reply) => {
      const view = await getPastView(depot.db, request.params.view)
      const listKey = { list: 'history', view: view.name }
      const before = placeIn(request.query, listKey, z.int()) ?? view.revision + 1
      const found = await listRevisions(
        depot.db,
        view,
        { before, limit: request.query.limit + 1 },
        audienceOf(request.caller),
      )
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        placeOf: ({ revision }) => revision,
      })
      return reply.send({ view: view.name, revisions: items.map(wireRevision), next })
    },
  )

  api.get(
    '/views/:view/revisions/:revision',
    {
      ...shows('view'),
      schema: {
        operationId: 'getRevision',
        tags,
        summary: 'Shows a revision of a view',
        description: 'What joined, what left, and how latest moved.',
        errors: ['not_found'],

        params: RevisionPath,
        querystring: FormatQuery,
        response: textToo(RevisionShape),
      },
      preSerialization: orText(revisionText),
    },
    async (request, reply) => {
      const view = await getPastView(depot.db, request.params.view)
      const revision = await getRevision(
        depot.db,
        view,
        Number(request.params.revision),
        audienceOf(request.caller),
      )
      return reply.send(wireRevision(revision))
    },
  )

  api.get(
    '/views/:view/diff',
    {
      schema: {
        operationId: 'compareViews',
        tags,
        summary: 'Compares two views, or two states of a view',
        description: 'Lists the packages whose latest release differs. All pages compare the same revisions.',
        errors: ['not_found', 'other_history'],

        params: ViewPath,
        querystring: DiffQuery,
        response: textToo(Diff),
      },
      preSerialization: orText(diffText),
    },
    async (request, reply) => {
      const { at, with_at: withAt, with: other = request.params.view, origin, name, limit } = request.query
      const from = await stateOf(request.params.view, momentOf(at))
      const to = await stateOf(other, momentOf(withAt, '/with_at'))
      const listKey = {
        list: 'diff',
        view: from.view.name,
        revision: from.revision,
        with: to.view.name,
        withRevision: to.revision,
        origin,
        name,
      }
      const after = placeIn(request.query, listKey, LinePlace)
      const page = {
        ...(origin !== undefined && { origin }),
        ...(name !== undefined && { name }),
        ...(after && { after }),
        limit: limit + 1,
      }
      const found = await listDifferences(depot.db, { from, to }, page, audienceOf(request.caller))
      const pinned = { at: String(from.revision), with_at: String(to.revision) }
      const { items, next } = cutPage(request, reply, {
        items: found,
        listKey,
        pinned,
        placeOf: (line) => [line.package, line.target],
      })
      const differences = items.map(({ fromChecksum, toChecksum, ...line }) => ({
        ...line,
        from: line.from ?? null,
        to: line.to ?? null,
        from_checksum: fromChecksum ?? null,
        to_checksum: toChecksum ?? null,
      }))
      return reply.send({ from: await wireState(from), to: await wireState(to), differences, next })
    },
  )

  api.get(
    '/views/:view/pointers/:origin/:name',
    {
      ...shows('origin-in-view'),
      schema: {
        operationId: 'listHolders',
        tags,
        summary: 'Lists what was latest of a package, and when',
        description: 'Newest first.',
        errors: ['not_found'],

        params: LinePath,
        querystring: HoldersQuery,
        response: textToo(Holders),
      },
      preSerialization: orText(holdersText),
    },
    async (request, reply) => {
      const { target = DEFAULT_TARGET, limit } = request.query
      const view = await getPastView(depot.db, request.params.view)
      const line = { package: formatPackageName(request.params), target }
      const listKey = { list: 'holders', view: view.name, ...line }
      const place = placeIn(request.query, listKey, z.int())
      const found = await listLatestSpans(
        depot.db,
        view,
        line,
        { before: place ?? view.revision + 1, limit: limit + 1 },
        audienceOf(request.caller),
      )
      if (found.length === 0 && place === undefined)
        throw new DepotError('not_found', `${view.name} never had ${line.package} for ${target}`)
      const { items, next } = cutPage(request, reply, { items: found, listKey, placeOf: ({ from }) => from })
      return reply.send({
        view: view.name,
        ...line,
        holders: items.map(({ ident, ...span }) => ({ ident, ...wireInterval(span) })),
        next,
      })
    },
  )
}
