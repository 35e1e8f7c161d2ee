import { isListed } from '../config/upstream-config.ts'
import type { Depot } from '../depot/depot.ts'
import { listUpstreamOrigins } from '../origins/origin-store.ts'
import type { OpenedUpstream } from './opened-upstream.ts'

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
