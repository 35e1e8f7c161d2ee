import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { audienceOf } from '../../../access/access.ts'
import { listChanges } from '../../../changes/change-store.ts'
import { filterVisibleFreezes } from '../../../revisions/freeze-store.ts'
import { listViews } from '../../../revisions/view-store.ts'
import type { RouteContext } from '../../requests/request.ts'
import { linePlaceOf } from '../html/query.ts'
import { readWaitingProposals } from '../html/waiting-proposals.ts'
import { BriefMemory } from './brief-memory.ts'
import { chooseColumns } from './columns.ts'
import { firstRunContent } from './first-run.ts'
import { PipelineQuery, filterOf } from './query.ts'
import { readRows } from './read-rows.ts'
import { pipelineContent, writeRows } from './templates.ts'
import type { WrittenRows } from './templates.ts'

const PAGE_ROWS = 100
/** The maximum number of rows of one page, if the URL asks for all. */
const MAX_ROWS = 20_000
const MAX_COUNTED_CHANGES = 100

/** Routes for the first page: what runs where. */
export function pipelineRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db, now } = depot
  // After a commit, every page that follows the depot is read again, so rows are read and written once.
  const memory = new BriefMemory<WrittenRows>()

  pages.get('/', { schema: { querystring: PipelineQuery } }, async (request, reply) => {
    const { query, visit } = request
    const audience = audienceOf(request.caller)
    const views = await Promise.all(
      (await listViews(db)).map(async (view) => ({
        ...view,
        freezes: await filterVisibleFreezes(db, view.freezes, audience),
      })),
    )
    const columns = chooseColumns(views, query.views?.split(',') ?? [])
    const second = Math.floor(visit.now / 1_000)
    const rowsKey = JSON.stringify([visit.sequence, second, visit.to('/'), audience, query])
    const rowsOf = async () => {
      const page = await readRows(db, columns.shown, {
        after: linePlaceOf(query.after),
        limit: query.all === '1' ? MAX_ROWS : PAGE_ROWS,
        filter: filterOf(query),
        audience,
        now: now(),
      })
      return writeRows(visit, { shown: columns.shown, page, isBrief: query.all === '1' })
    }
    const [written, proposals, changes] = await Promise.all([
      memory.get(rowsKey, rowsOf),
      readWaitingProposals(db, request.caller, now()),
      listChanges(
        db,
        { state: 'running' },
        { before: Number.MAX_SAFE_INTEGER, limit: MAX_COUNTED_CHANGES, audience },
      ),
    ])
    const isEmpty = written.count === 0 && written.next === undefined
    if (isEmpty && Object.keys(request.query).length === 0) return reply.page(firstRunContent(visit))
    const waiting = new Map(
      [...Map.groupBy(proposals, ({ view }) => view)].map(([view, { length }]) => [view, length]),
    )
    return reply.page(
      pipelineContent(visit, { columns, written, query, waiting, runningChanges: changes.length }),
    )
  })
}
