import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { allowsAction, audienceOf } from '../../../access/access.ts'
import type { Audience, Caller } from '../../../access/access.ts'
import { listAccounts } from '../../../accounts/account-store.ts'
import { listChanges } from '../../../changes/change-store.ts'
import { DepotError } from '../../../errors.ts'
import { findOrigin } from '../../../origins/origin-store.ts'
import { describePackages } from '../../../releases/list-store.ts'
import { findRelease, findReleaseByChecksum } from '../../../releases/release-store.ts'
import { formatIdent } from '../../../package/ident.ts'
import { findView, getView, listViews } from '../../../revisions/view-store.ts'
import { findPackages } from '../../../search/find-packages.ts'
import { parsePackageQuery } from '../../../search/package-query.ts'
import type { RouteContext } from '../../requests/request.ts'
import { releasePath } from '../html/parts.ts'
import { revisionPath } from '../view/moves.ts'
import { searchContent } from './templates.ts'
import type { Found } from './templates.ts'

const SHOWN = 30
const SearchQuery = z.object({ q: z.string().max(200).default('') })

/** The route for the search. A text that names one thing leads to its page. */
export function searchRoutes(app: FastifyInstance, { depot }: RouteContext): void {
  const pages = app.withTypeProvider<ZodTypeProvider>()
  const { db } = depot

  pages.get('/search', { schema: { querystring: SearchQuery } }, async (request, reply) => {
    const q = request.query.q.trim()
    const audience = audienceOf(request.caller)
    const path = await findExact(q, audience)
    if (path !== undefined) return reply.redirect(request.visit.to(path), 303)
    return reply.page(searchContent(request.visit, await find(q, audience, request.caller)))
  })

  /** Finds the page of what a whole ident, a checksum or a revision names. */
  async function findExact(q: string, audience: Audience): Promise<string | undefined> {
    if (/^[0-9a-f]{64}$/.test(q)) {
      const release = await findReleaseByChecksum(db, q, audience)
      return release && releasePath(formatIdent(release.ident), release.target)
    }
    if (/^[^/\s]+(\/[^/\s]+){3}$/.test(q)) {
      const release = await findRelease(db, q, undefined, audience)
      return release && releasePath(q, release.target)
    }
    const [, view = '', revision] = /^(\S+)@(\d+)$/.exec(q) ?? []
    const found = view === '' ? undefined : await findView(db, view)
    return found !== undefined && Number(revision) <= found.revision
      ? revisionPath(found.name, Number(revision))
      : undefined
  }

  async function find(q: string, audience: Audience, caller: Caller): Promise<Found> {
    const nothing: Found = {
      q,
      packages: [],
      hasMorePackages: false,
      origins: [],
      views: [],
      changes: [],
      people: [],
      fault: undefined,
    }
    if (q === '') return nothing
    const views = (await listViews(db)).map(({ name }) => name)
    const page = { before: Number.MAX_SAFE_INTEGER, limit: SHOWN, audience }
    const mayListPeople = caller?.isAdministrator === true && allowsAction(caller, 'manage')
    const common = {
      ...nothing,
      origins: (await findOrigin(db, q)) === undefined ? [] : [q],
      views: views.filter((name) => name.toLowerCase().includes(q.toLowerCase())),
      changes: await listChanges(db, { change: q }, page),
      people: mayListPeople
        ? (await listAccounts(db))
            .map(({ name }) => name)
            .filter((name) => name.includes(q))
            .slice(0, SHOWN)
        : [],
    }
    try {
      const query = parsePackageQuery(q)
      const view = query.fields.in?.text
      const viewId = view === undefined ? undefined : (await getView(db, view)).id
      const { items, next } = await findPackages(
        db,
        query,
        { viewId, after: undefined, limit: SHOWN },
        audience,
      )
      return {
        ...common,
        packages: await describePackages(db, items, audience),
        hasMorePackages: next !== undefined,
      }
    } catch (error) {
      if (!(error instanceof DepotError && ['invalid_request', 'not_found'].includes(error.code))) throw error
      return { ...common, fault: error.message }
    }
  }
}
