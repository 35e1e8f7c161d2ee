import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { listRefreshed } from '../../channels/refresh-store.ts'
import type { Refreshed } from '../../channels/refresh-store.ts'
import type { Depot } from '../../depot/open.ts'

/**
 * Measures how up to date the channels of upstream are. The labels are bounded, because the settings name the
 * channels.
 */
export function measureUpstream(registry: Registry, { config, db }: Pick<Depot, 'config' | 'db'>): void {
  if (config.upstream === undefined) return
  const add = (name: string, help: string, read: (row: Refreshed) => number) => {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['origin', 'channel'],
      registers: [registry],
      async collect() {
        gauge.reset()
        for (const row of await listRefreshed(db)) {
          const { origin, channel } = row
          gauge.set({ origin, channel }, read(row))
        }
      },
    })
  }
  add(
    'hart_depot_upstream_refreshed_timestamp_seconds',
    'Time in Unix seconds at which a channel last was what upstream had; 0 if it never was',
    ({ refreshedAt = 0 }) => refreshedAt / 1_000,
  )
  add(
    'hart_depot_upstream_held_removals',
    'Releases that the last refresh of a channel would have removed, if it was held because of them',
    ({ removals }) => removals,
  )
}
