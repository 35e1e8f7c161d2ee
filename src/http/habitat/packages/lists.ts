import type { FastifyInstance, FastifyReply } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import type { Depot } from '../../../depot/depot.ts'
import { listIdents, listIdentsInView, listPackages, listVersions } from '../../../releases/list-store.ts'
import type { Slice } from '../../../releases/ident-count-store.ts'
import { findRelease, listViewsOf } from '../../../releases/release-store.ts'
import { findView } from '../../../revisions/view-store.ts'
import { shows } from '../../requests/reading.ts'
import type { RouteContext } from '../../requests/request.ts'
import { PAGE_SIZE, flagOf, identTextOf, parseTarget, prefixOf, rangeOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { NO_CACHE, sendJson, sendPage, sendUncached } from '../conventions/replies.ts'
import { wireIdent } from '../conventions/shapes.ts'
import { wireListedPackage, wireListedRelease, wireReleaseChannel, wireVersion } from './shapes.ts'

/**
 * A negative `range` asks for the whole list in one response, up to this many items (habitat-today.md 3.1).
 */
const MAX_UNPAGED_ITEMS = 10_000

/**
 * Routes that list packages (habitat-2016.md 1.2 rows 2–7, habitat-today.md 3.1). `place` is the mount or the
 * URL of a view.
 */
export function packageLists(app: FastifyInstance, { depot }: RouteContext, place: string): void {
  const list = async (request: HabitatRequest, reply: FastifyReply) =>
    request.params.view === undefined
      ? replyList(request, reply, depot)
      : replyViewList(request, reply, depot, request.params.view)
  app.get(`${place}/pkgs/:origin`, shows('origin-in-view'), list)
  app.get(`${place}/pkgs/:origin/:name`, shows('origin-in-view'), list)
  app.get(`${place}/pkgs/:origin/:name/:version`, shows('origin-in-view'), list)
  app.get(
    `${place}/pkgs/:origin/:name/:version/:release/channels`,
    shows('origin'),
    async (request: HabitatRequest, reply) => {
      const release = await findRelease(
        depot.db,
        identTextOf(request),
        parseTarget(request),
        audienceOf(request.caller),
      )
      const views = release === undefined ? [] : await listViewsOf(depot.db, release.id)
      return sendJson(reply, views.map(wireReleaseChannel))
    },
  )
}

/**
 * Route that lists the versions of a package (habitat-today.md 3.1). A package named `versions` therefore has
 * no list of its own.
 */
export function versionLists(app: FastifyInstance, { depot }: RouteContext, mount: string): void {
  app.get(`${mount}/pkgs/:origin/:name/versions`, shows('origin'), async (request: HabitatRequest, reply) => {
    const versions = await listVersions(depot.db, request.params, audienceOf(request.caller))
    return sendUncached(
      reply,
      versions.map((version) => wireVersion(request.params, version)),
    )
  })
}

/** Sends a list of packages. Unlike other current lists, it starts at any offset (habitat-today.md 3.5). */
async function replyList(request: HabitatRequest, reply: FastifyReply, depot: Depot): Promise<FastifyReply> {
  const range = rangeOf(request)
  const slice: Slice =
    range < 0 ? { offset: 0, limit: MAX_UNPAGED_ITEMS } : { offset: range, limit: PAGE_SIZE }
  const audience = audienceOf(request.caller)
  if (flagOf(request, 'distinct'))
    return sendPage(
      reply,
      await listPackages(depot.db, prefixOf(request), slice, audience),
      slice.offset,
      wireListedPackage,
    )
  return sendPage(
    reply,
    await listIdents(depot.db, prefixOf(request), slice, audience),
    slice.offset,
    wireListedRelease,
  )
}

/**
 * Sends the bare array of 2016, paged by an integer `Range` header (habitat-2016.md 1.7), but without
 * overlapping pages.
 */
async function replyViewList(
  request: HabitatRequest,
  reply: FastifyReply,
  depot: Depot,
  name: string,
): Promise<FastifyReply> {
  const [, first = '1'] = /^\s*(\d{1,15})\s*$/.exec(request.headers.range ?? '') ?? []
  const offset = Math.max(0, Number(first) - 1)
  const { past } = request
  const view = past === undefined ? await findView(depot.db, name) : past.view
  const page =
    view &&
    (await listIdentsInView(
      depot.db,
      past === undefined ? view.id : { viewId: view.id, revision: past.revision },
      prefixOf(request),
      { offset, limit: PAGE_SIZE },
      audienceOf(request.caller),
    ))
  const { items, total } = page ?? { items: [], total: 0 }
  const range = `${offset}..${offset + PAGE_SIZE}; count=${total}`
  reply.headers({
    'content-range': range,
    'x-content-range': range,
    vary: 'range',
    'cache-control': NO_CACHE,
    'content-type': 'application/json; charset=utf-8',
  })
  if (total > offset + PAGE_SIZE) reply.code(206).header('next-range', String(offset + PAGE_SIZE + 1))
  return reply.send(JSON.stringify(items.map(wireIdent)))
}
