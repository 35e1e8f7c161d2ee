import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import { TARGETS } from '../../../package/target.ts'
import { listMembersAt, listPointersAt } from '../../../revisions/content-store.ts'
import { findRevisionTime, getRevisionAt } from '../../../revisions/revision-store.ts'
import { getPastView } from '../../../revisions/view-store.ts'
import { orText } from '../../requests/as-text.ts'
import type { RouteContext } from '../../requests/request.ts'
import { momentOf } from '../conventions/moment.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { ViewPath } from '../conventions/shapes.ts'
import { wireSince, wireTime } from '../conventions/wire.ts'
import { Content, ContentQuery, Members } from './shapes.ts'
import { contentText, membersText } from './text.ts'

const tags = ['content of views']
const LinePlace = z.tuple([z.string(), z.enum(TARGETS)])
const MemberPlace = z.tuple([z.string(), z.enum(TARGETS), z.int()])

export function contentRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  /** Resolves the view and revision of a request. All pages of one listing show the same revision. */
  async function resolve(name: string, query: z.infer<typeof ContentQuery>) {
    const { at, origin, name: packageName, limit } = query
    const view = await getPastView(depot.db, name)
    const revision = await getRevisionAt(depot.db, view, momentOf(at))
    const filter = {
      ...(origin !== undefined && { origin }),
      ...(packageName !== undefined && { name: packageName }),
      limit: limit + 1,
    }
    const made = wireTime(await findRevisionTime(depot.db, view.id, revision))
    return {
      view,
      revision,
      made,
      filter,
      question: { view: view.name, revision, origin, name: packageName },
      pinned: { at: String(revision) },
    }
  }

  api.get(
    '/views/:view/content',
    {
      schema: {
        tags,
        summary: 'The latest releases of a view, now or at an earlier time',
        params: ViewPath,
        querystring: ContentQuery,
        response: textToo(Content),
      },
      preSerialization: orText(contentText),
    },
    async (request, reply) => {
      const { view, revision, made, filter, question, pinned } = await resolve(
        request.params.view,
        request.query,
      )
      const after = placeIn(request.query, question, LinePlace)
      const found = await listPointersAt(
        depot.db,
        view,
        revision,
        { ...filter, ...(after && { after }) },
        audienceOf(request.caller),
      )
      const { items, next } = cutPage(request, reply, {
        items: found,
        question,
        pinned,
        placeOf: (pointer) => [pointer.package, pointer.target],
      })
      return reply.send({
        view: view.name,
        revision,
        at: made,
        pointers: items.map(({ releaseId: _releaseId, checksum: _checksum, ...pointer }) =>
          wireSince(pointer),
        ),
        next,
      })
    },
  )

  api.get(
    '/views/:view/members',
    {
      schema: {
        tags,
        summary: 'All releases of a view, now or at an earlier time',
        params: ViewPath,
        querystring: ContentQuery,
        response: textToo(Members),
      },
      preSerialization: orText(membersText),
    },
    async (request, reply) => {
      const listing = await resolve(request.params.view, request.query)
      const { view, revision, made, filter, pinned } = listing
      const question = { ...listing.question, list: 'members' }
      const after = placeIn(request.query, question, MemberPlace)
      const found = await listMembersAt(
        depot.db,
        view,
        revision,
        { ...filter, ...(after && { after }) },
        audienceOf(request.caller),
      )
      const { items, next } = cutPage(request, reply, {
        items: found,
        question,
        pinned,
        placeOf: (member) => member.place,
      })
      return reply.send({
        view: view.name,
        revision,
        at: made,
        members: items.map(({ place: _place, ...member }) => wireSince(member)),
        next,
      })
    },
  )
}
