import type { FastifyInstance } from 'fastify'
import { audienceWithRole, audienceOf } from '../../../access/access.ts'
import { DepotError } from '../../../errors.ts'
import { findView } from '../../../revisions/view-store.ts'
import { parseSearch } from '../../../search/package-search.ts'
import { searchIdents, searchPackages } from '../../../search/search-store.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { flagOf, offsetOf, pageAt } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { sendPage } from '../conventions/replies.ts'
import { wireIdent } from '../conventions/shapes.ts'
import { wireName } from './shapes.ts'

const NOTHING = { items: [], total: 0 }

/**
 * Route that searches for packages (habitat-today.md 1.8, 3.1 and 6, Search). `hab` sends `core%2Fredis` in
 * one segment. Members of an origin also find its releases that are not public; with `distinct`, only the
 * owner of the origin finds them (3.9). Below the URL of a view, only members of the view are found.
 */
export function searchReads(app: FastifyInstance, { depot }: RouteContext, place: string): void {
  app.get(`${place}/pkgs/search/:words`, shows('view'), async (request: HabitatRequest, reply) => {
    const { caller } = request
    const { view: name, words } = request.params
    if (request.past !== undefined)
      throw new DepotError(
        'not_found',
        `${request.past.name} is a past state, which cannot be searched: search ${request.past.view.name}`,
      )
    const offset = offsetOf(request)
    const isDistinct = flagOf(request, 'distinct')
    const search = parseSearch(words)
    if (search === undefined) return sendPage(reply, NOTHING, offset, wireName)
    const viewId = name === undefined ? undefined : (await findView(depot.db, name))?.id
    const slice = { ...pageAt(offset), viewId }
    if (isDistinct)
      return sendPage(
        reply,
        await searchPackages(depot.db, search, slice, audienceWithRole(caller, 'owner')),
        offset,
        wireName,
      )
    return sendPage(reply, await searchIdents(depot.db, search, slice, audienceOf(caller)), offset, wireIdent)
  })
}
