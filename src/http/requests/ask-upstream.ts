import type { FastifyReply, FastifyRequest } from 'fastify'
import { audienceOf } from '../../access/access.ts'
import { isListed } from '../../config/upstream-config.ts'
import { DepotError } from '../../errors.ts'
import { originOf } from '../../package/ident.ts'
import { DEFAULT_TARGET } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { findDownload } from '../../releases/release-store.ts'
import { openArriving, whenStored } from '../../upstream/arriving.ts'
import type { Asker, UpstreamOperations } from '../../upstream/upstream.ts'
import { replyArchive, replyArriving } from './archive-reply.ts'
import type { RouteContext } from './request.ts'

/** Returns upstream if it may be asked about this origin. */
export function upstreamOf(
  { depot: { config }, upstream }: Pick<RouteContext, 'depot' | 'upstream'>,
  origin: string,
): UpstreamOperations | undefined {
  return isListed(config, origin) ? upstream : undefined
}

/** Returns the caller of a request for something of `origin` as upstream's limits see it. */
export function askerOf({ caller, ip, headers }: FastifyRequest, origin: string): Asker {
  const { seesAll, origins } = audienceOf(caller)
  return {
    seesPrivate: seesAll || origins.includes(origin),
    address: caller === undefined ? ip : undefined,
    via: headers.via,
  }
}

/**
 * Sends the bytes of a release. Those of an upstream origin that are not here are fetched, and passed on
 * while they arrive; a request for a part waits until they are stored. If such a release is refused at its
 * end, the connection is cut before the last bytes. Throws `not_found`, and like {@link replyArchive} and
 * {@link UpstreamOperations}.
 */
export async function replyDownload(
  context: Pick<RouteContext, 'depot' | 'upstream' | 'trustsProxy'>,
  { ident, target }: { ident: string; target: Target | undefined },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { depot } = context
  const find = () => findDownload(depot.db, ident, target, audienceOf(request.caller))
  let release = await find()
  const isMissing = release === undefined || release.isAnnounced
  const upstream = isMissing ? upstreamOf(context, originOf(ident)) : undefined
  if (upstream !== undefined) {
    const missing = { ident, target: release?.target ?? target ?? DEFAULT_TARGET }
    const arriving = await upstream.fetchMissing(missing, askerOf(request, originOf(ident)))
    if (arriving !== undefined) {
      const isWhole =
        request.method === 'GET' &&
        request.headers.range === undefined &&
        request.headers['if-none-match'] === undefined
      const bytes = isWhole ? await openArriving(arriving) : undefined
      if (bytes !== undefined) return replyArriving(missing, { arriving, bytes }, depot, reply)
      await whenStored(arriving)
    }
    release = await find()
  }
  if (release === undefined) throw new DepotError('not_found', `there is no release ${ident}`)
  if (release.isAnnounced)
    throw new DepotError(
      'upstream_failed',
      `${ident} is known from upstream alone, and DEPOT_UPSTREAM_ORIGINS does not list its origin`,
    )
  return replyArchive(release, context, request, reply)
}
