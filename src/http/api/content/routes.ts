import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { audienceOf } from '../../../access/access.ts'
import type { Audience } from '../../../access/access.ts'
import type { Db } from '../../../database/database.ts'
import { TARGETS } from '../../../package/target.ts'
import { findMarks } from '../../../releases/mark-store.ts'
import { listMembersAt, listPointersAt } from '../../../revisions/content-store.ts'
import type { LinePage } from '../../../revisions/content-store.ts'
import { findRevisionTime, getRevisionAt } from '../../../revisions/revision-store.ts'
import { getPastView } from '../../../revisions/view-store.ts'
import type { View } from '../../../views/view.ts'
import { orText } from '../../requests/as-text.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { momentOf } from '../conventions/moment.ts'
import { cutPage, placeIn } from '../conventions/pages.ts'
import { textToo } from '../conventions/responses.ts'
import { ViewPath } from '../conventions/shapes.ts'
import { wireMarks, wireSince, wireTime } from '../conventions/wire.ts'
import { Content, ContentQuery, Members } from './shapes.ts'
import { contentText, membersText } from './text.ts'

const tags = ['content of views']
const LinePlace = z.tuple([z.string(), z.enum(TARGETS)])
const MemberPlace = z.tuple([z.string(), z.enum(TARGETS), z.int()])

/** A list of a view's content. */
interface ContentList<Item, Place> {
  /** The name of the list in cursors. The list of pointers has no name. */
  readonly list?: string
  readonly place: z.ZodType<Place>
  readonly read: (
    db: Db,
    view: View,
    revision: number,
    page: LinePage<Place>,
    audience: Audience,
  ) => Promise<Item[]>
  readonly placeOf: (item: Item) => unknown
}

export function contentRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  /** Reads a page of a list of a view. All pages of a listing show the same revision. */
  async function readPage<Item, Place>(
    request: FastifyRequest<{ Params: z.infer<typeof ViewPath>; Querystring: z.infer<typeof ContentQuery> }>,
    reply: FastifyReply,
    { list, place, read, placeOf }: ContentList<Item, Place>,
  ) {
    const { at, origin, name, limit } = request.query
    const view = await getPastView(depot.db, request.params.view)
    const revision = await getRevisionAt(depot.db, view, momentOf(at))
    const listKey = { view: view.name, revision, origin, name, list }
    const after = placeIn(request.query, listKey, place)
    const page = {
      ...(origin !== undefined && { origin }),
      ...(name !== undefined && { name }),
      ...(after && { after }),
      limit: limit + 1,
    }
    const { items, next } = cutPage(request, reply, {
      items: await read(depot.db, view, revision, page, audienceOf(request.caller)),
      listKey,
      pinned: { at: String(revision) },
      placeOf,
    })
    const made = wireTime(await findRevisionTime(depot.db, view.id, revision))
    return { at: { view: view.name, revision, at: made }, items, next }
  }

  api.get(
    '/views/:view/content',
    {
      ...shows('view'),
      schema: {
        operationId: 'listContent',
        tags,
        summary: 'Lists the latest releases of a view',
        description: 'Now, or with at as the view was then. All pages show the same revision.',
        errors: ['not_found', 'other_history'],

        params: ViewPath,
        querystring: ContentQuery,
        response: textToo(Content),
      },
      preSerialization: orText(contentText),
    },
    async (request, reply) => {
      const { at, items, next } = await readPage(request, reply, {
        place: LinePlace,
        read: listPointersAt,
        placeOf: (pointer) => [pointer.package, pointer.target],
      })
      const marks = await findMarks(depot.db, idsOf(items))
      return reply.send({
        ...at,
        pointers: items.map((pointer) => ({
          ...wireSince(pointer),
          ...wireMarks(marks.get(pointer.releaseId)),
        })),
        next,
      })
    },
  )

  api.get(
    '/views/:view/members',
    {
      ...shows('view'),
      schema: {
        operationId: 'listMembers',
        tags,
        summary: 'Lists all releases of a view',
        description: 'Now, or with at as the view was then. All pages show the same revision.',
        errors: ['not_found', 'other_history'],

        params: ViewPath,
        querystring: ContentQuery,
        response: textToo(Members),
      },
      preSerialization: orText(membersText),
    },
    async (request, reply) => {
      const { at, items, next } = await readPage(request, reply, {
        list: 'members',
        place: MemberPlace,
        read: listMembersAt,
        placeOf: (member) => member.place,
      })
      const marks = await findMarks(depot.db, idsOf(items))
      return reply.send({
        ...at,
        members: items.map(({ place: _place, ...member }) => ({
          ...wireSince(member),
          ...wireMarks(marks.get(member.releaseId)),
        })),
        next,
      })
    },
  )
}

function idsOf(items: readonly { readonly releaseId: number }[]): number[] {
  return items.map(({ releaseId }) => releaseId)
}
