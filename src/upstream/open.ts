import { isListed } from '../config/upstream-config.ts'
import type { Depot } from '../depot/open.ts'
import { listUpstreamOrigins } from '../origins/origin-store.ts'
import type { Mirror } from './mirror.ts'
import type { Refresher } from './refresher.ts'
import type { Upstream } from './upstream.ts'

/** What asks upstream. All are absent without `DEPOT_UPSTREAM`. */
export interface UpstreamParts {
  readonly upstream: Upstream | undefined
  readonly refresher: Refresher | undefined
  /** Absent without `DEPOT_MIRROR` and `DEPOT_MIRROR_VIEWS`. */
  readonly mirror: Mirror | undefined
}

/**
 * Opens what the settings of upstream ask for. Without `DEPOT_UPSTREAM`, loads none of it. The caller closes
 * what was opened.
 */
export async function openUpstream(depot: Depot): Promise<UpstreamParts> {
  await warnOfForgottenOrigins(depot)
  if (depot.config.upstream === undefined)
    return { upstream: undefined, refresher: undefined, mirror: undefined }
  const [{ Upstream }, { Refresher }, { Mirror }] = await Promise.all([
    import('./upstream.ts'),
    import('./refresher.ts'),
    import('./mirror.ts'),
  ])
  const upstream = await Upstream.open(depot)
  const refresher = await Refresher.open(depot)
  return { upstream, refresher, mirror: await Mirror.open(depot, upstream, refresher) }
}

async function warnOfForgottenOrigins({ config, db, log }: Depot): Promise<void> {
  for (const origin of await listUpstreamOrigins(db))
    if (!isListed(config, origin))
      log.warn(
        { origin },
        `${origin} is an upstream origin, but DEPOT_UPSTREAM_ORIGINS no longer lists it, so nothing new comes: hart-depot upstream disown ${origin} lets you upload to it`,
      )
}
