import type { Depot } from '../depot/depot.ts'
import { Mirror } from './mirror.ts'
import type { OpenedUpstream } from './opened-upstream.ts'
import { Refresher } from './refresher.ts'
import { Upstream } from './upstream.ts'

/**
 * Opens the upstream of a depot in the calling thread. Returns `undefined` if the settings name none. Throws
 * like {@link Upstream.open}.
 */
export async function openUpstreamHere(depot: Depot): Promise<OpenedUpstream | undefined> {
  const upstream = await Upstream.open(depot)
  const refresher = await Refresher.open(depot)
  if (upstream === undefined || refresher === undefined) return undefined
  const mirror = await Mirror.open(depot, upstream, refresher)
  return {
    upstream,
    refresher,
    mirror,
    counts: async () => upstream.counts,
    async start() {
      refresher.start()
      mirror?.start()
    },
    async close() {
      await refresher.close()
      // The mirror waits for its fetches, which `upstream` ends.
      await Promise.all([mirror?.close(), upstream.close()])
    },
  }
}
