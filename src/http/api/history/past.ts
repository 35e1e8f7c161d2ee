import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { formatIdent, formatPackageName } from '../../../package/ident.ts'
import { DEFAULT_TARGET, TARGETS } from '../../../package/target.ts'
import { findRelease } from '../../../releases/release-store.ts'
import { findRevisionTime, getRevisionAt } from '../../../revisions/content-store.ts'
import { listDifferences } from '../../../revisions/diff-store.ts'
import type { ViewState } from '../../../revisions/diff-store.ts'
import { listHolders, listMemberships } from '../../../revisions/membership-store.ts'
import { getPastView } from '../../../revisions/view-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { textToo } from '../conventions/responses.ts'
import { orText } from '../../requests/as-text.ts'
import { momentOf } from '../conventions/moment.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { Diff, DiffQuery, Holders, HoldersQuery, Memberships, MembershipsQuery } from './shapes.ts'
import { diffText, holdersText, membershipsText } from './text.ts'
import { LinePath, ReleasePath, ViewPath } from '../conventions/shapes.ts'
import { wireSpan, wireTime } from '../conventions/wire.ts'

const tags = ['history of views']
const LinePlace = z.tuple([z.string(), z.enum(TARGETS)])
const MembershipPlace = z.tuple([z.union([z.literal(0), z.literal(1)]), z.int(), z.int()])

/**
 * Routes for the past of views: differences between states, the releases to which a pointer pointed, and the
 * memberships of a release.
 */
export function pastRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  async function stateOf(name: string, moment: ReturnType<typeof momentOf>): Promise<ViewState> {
    const view = await getPastView(depot.db, name)
    return { view, revision: await getRevisionAt(depot.db, view, moment) }
  }

  async function wireState({ view, revision }: ViewState) {
    return { view: view.name, revision, at: wireTime(await findRevisionTime(depot.db, view.id, revision)) }
  }

  api.get(
    '/views/:view/diff',
    {
      schema: {
        tags,
        summary: 'The differences between the latest releases of two views or two states of a view',
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
      const question = {
        list: 'diff',
        view: from.view.name,
        revision: from.revision,
        with: to.view.name,
        withRevision: to.revision,
        origin,
        name,
      }
      const after = placeIn(request.query, question, LinePlace)
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
        question,
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
      schema: {
        tags,
        summary: 'The latest releases of a package over time',
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
      const question = { list: 'holders', view: view.name, ...line }
      const place = placeIn(request.query, question, z.int())
      const found = await listHolders(
        depot.db,
        view,
        line,
        { before: place ?? view.revision + 1, limit: limit + 1 },
        audienceOf(request.caller),
      )
      if (found.length === 0 && place === undefined)
        throw new DepotError('not_found', `${view.name} never had ${line.package} for ${target}`)
      const { items, next } = cutPage(request, reply, { items: found, question, placeOf: ({ from }) => from })
      return reply.send({
        view: view.name,
        ...line,
        holders: items.map(({ ident, ...span }) => ({ ident, ...wireSpan(span) })),
        next,
      })
    },
  )

  api.get(
    '/releases/:origin/:name/:version/:release/views',
    {
      schema: {
        tags: ['releases'],
        summary: 'The views that contain or contained a release, and when',
        params: ReleasePath,
        querystring: MembershipsQuery,
        response: textToo(Memberships),
      },
      preSerialization: orText(membershipsText),
    },
    async (request, reply) => {
      const ident = formatIdent(request.params)
      const release = await findRelease(depot.db, ident, request.query.target, audienceOf(request.caller))
      if (release === undefined) throw new DepotError('not_found', `there is no release ${ident}`)
      const question = { list: 'stays', release: release.id }
      const after = placeIn(request.query, question, MembershipPlace)
      const found = await listMemberships(depot.db, release.id, { after, limit: request.query.limit + 1 })
      const { items, next } = cutPage(request, reply, {
        items: found,
        question,
        placeOf: ({ place }) => place,
      })
      return reply.send({
        ident: formatIdent(release.ident),
        target: release.target,
        views: items.map(({ view, ...span }) => ({ view, ...wireSpan(span) })),
        next,
      })
    },
  )
}
