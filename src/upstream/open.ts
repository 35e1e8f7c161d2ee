import { isListed } from '../config/upstream-config.ts'
import type { Depot } from '../depot/depot.ts'
import { listUpstreamOrigins } from '../origins/origin-store.ts'
import type { MirrorOperations } from './mirror.ts'
import type { RefreshOperations } from './refresher.ts'
import type { FetchCounts, UpstreamOperations } from './upstream.ts'

/** Everything that a depot does with its upstream, in this thread or another. The caller closes it. */
export interface OpenedUpstream {
  readonly upstream: UpstreamOperations
  readonly refresher: RefreshOperations
  /** `undefined` if the settings name nothing to mirror. */
  readonly mirror: MirrorOperations | undefined
  counts(): Promise<FetchCounts>
  /** Begins to refresh and to mirror by schedule. */
  start(): Promise<void>
  /** Ends what is in progress. The depot must be closed after this. */
  close(): Promise<void>
}

/**
 * Opens what the settings of upstream ask for, in a thread of its own unless the depot has no threads.
 * Without `DEPOT_UPSTREAM`, returns `undefined` and loads none of it. Throws like {@link Upstream.open}.
 */
export async function openUpstream(depot: Depot): Promise<OpenedUpstream | undefined> {
  await warnOfForgottenOrigins(depot)
  if (depot.config.upstream === undefined) return undefined
  if (!depot.isShared) return (await import('./open-here.ts')).openUpstreamHere(depot)
  const { ThreadedUpstream } = await import('./threaded-upstream.ts')
  return ThreadedUpstream.open(depot)
}

async function warnOfForgottenOrigins({ config, db, log }: Depot): Promise<void> {
  for (const origin of await listUpstreamOrigins(db))
    if (!isListed(config, origin))
      log.warn(
        { origin },
        `${origin} is an upstream origin, but DEPOT_UPSTREAM_ORIGINS no longer lists it, so nothing new comes: hart-depot upstream disown ${origin} lets you upload to it`,
      )
}
