import type { FastifyInstance } from 'fastify'
import { audienceAs, audienceOf } from '../../accounts/access.ts'
import { parseSearch } from '../../search/package-search.ts'
import { searchIdents, searchPackages } from '../../search/search-store.ts'
import type { Door } from '../request.ts'
import { flagOf, offsetOf, pageAt } from './asked.ts'
import type { Asking } from './asked.ts'
import { replyPage } from './lists.ts'
import { wireIdent, wireName } from './wire.ts'

const NOTHING = { items: [], total: 0 }

/**
 * habitat-today.md 1.8, 3.1 and 6 (Search). `hab` sends `core%2Fredis` in one segment. What is not public is found by the origin's
 * members and, `distinct`, by its owner alone (3.9).
 */
export function searchReads(app: FastifyInstance, { depot }: Door, mount: string): void {
  app.get(`${mount}/pkgs/search/:words`, async (request: Asking, reply) => {
    const { caller } = request
    const offset = offsetOf(request)
    const isDistinct = flagOf(request, 'distinct')
    const search = parseSearch(request.params.words)
    if (search === undefined) return replyPage(reply, NOTHING, offset, wireName)
    if (isDistinct) return replyPage(reply, await searchPackages(depot.db, search, pageAt(offset), audienceAs(caller, 'owner')), offset, wireName)
    return replyPage(reply, await searchIdents(depot.db, search, pageAt(offset), audienceOf(caller)), offset, wireIdent)
  })
}
