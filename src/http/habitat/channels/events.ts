import type { FastifyInstance } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import { DepotError, quote } from '../../../errors.ts'
import { listEvents } from '../../../events/event-store.ts'
import { seesOwnChanges } from '../../../events/visibility.ts'
import { parseSearch } from '../../../search/package-search.ts'
import type { RouteContext } from '../../requests/request.ts'
import { offsetOf, pageAt, queryOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendPage } from '../conventions/replies.ts'
import { wireEvent } from './shapes.ts'

const DAY_MS = 86_400_000

/**
 * Route that lists promotions and demotions (habitat-today.md 3.4 and 6, Events). `query` works as in package
 * search.
 */
export function eventReads(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/events`, async (request: HabitatRequest, reply) => {
    const { caller } = request
    const offset = offsetOf(request)
    const from = dayOf(request, 'from_date')
    const to = dayOf(request, 'to_date') + DAY_MS
    const words = queryOf(request, 'query') ?? ''
    const search = parseSearch(words)
    if (search === undefined && words !== '')
      return sendPage(reply, { items: [], total: 0 }, offset, wireEvent)
    const filter = { ...pageAt(offset), from, to, view: queryOf(request, 'channel') || undefined, search }
    const own = seesOwnChanges(caller) ? caller.accountId : undefined
    return sendPage(reply, await listEvents(depot.db, filter, audienceOf(caller), own), offset, wireEvent)
  })
}

/** Parses a day, `2026-08-02` or `2026-8-2`, to its beginning in UTC. Throws `invalid_request`. */
function dayOf(request: HabitatRequest, name: string): number {
  const text = queryOf(request, name) ?? ''
  const [, year = '', month = '', day = ''] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(text) ?? []
  const at = Date.UTC(Number(year), Number(month) - 1, Number(day))
  // Date.UTC would turn an invalid day into one of the next month.
  if (
    year !== '' &&
    new Date(at).getUTCMonth() === Number(month) - 1 &&
    new Date(at).getUTCDate() === Number(day)
  )
    return at
  throw new DepotError('invalid_request', `${name} must be a day, YYYY-MM-DD, not ${quote(text)}`)
}
