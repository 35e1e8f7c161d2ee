import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { listRefreshed } from '../../channels/refresh-store.ts'
import type { Refreshed } from '../../channels/refresh-store.ts'
import type { Depot } from '../../depot/depot.ts'
import { readLastRun } from '../../upstream/last-run.ts'
import { adoptedChannels, formatChannel } from '../../upstream/channels.ts'
import type { OpenedUpstream } from '../../upstream/opened-upstream.ts'
import { addGauge } from './gauge.ts'

/**
 * Measures what was fetched from upstream, and how up to date its channels and the mirror are. The labels are
 * bounded, because the settings name the channels.
 */
export function measureUpstream(
  registry: Registry,
  { config, db }: Pick<Depot, 'config' | 'db'>,
  upstream: Pick<OpenedUpstream, 'counts'> | undefined,
): void {
  if (config.upstream === undefined) return
  if (upstream !== undefined) countFetches(registry, upstream)
  const add = (name: string, help: string, read: (row: Refreshed) => number) => {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['origin', 'channel'],
      registers: [registry],
      async collect() {
        gauge.reset()
        const adopted = new Set((await adoptedChannels({ config, db })).map(formatChannel))
        for (const row of await listRefreshed(db)) {
          if (!adopted.has(formatChannel(row))) continue
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
  if (config.upstream.mirror === undefined) return
  addGauge(registry, 'hart_depot_mirror_last_run_timestamp_seconds', {
    help: 'Time in Unix seconds at which the last run of the mirror ended; 0 if none has ended',
    read: async () => ((await readLastRun(db))?.endedAt ?? 0) / 1_000,
  })
  addGauge(registry, 'hart_depot_mirror_succeeded_timestamp_seconds', {
    help: 'Time in Unix seconds at which the last run of the mirror without a fault ended; 0 if there was none',
    read: async () => ((await readLastRun(db))?.succeededAt ?? 0) / 1_000,
  })
  addGauge(registry, 'hart_depot_mirror_lacking_releases', {
    help: 'Releases that the last run of the mirror should have fetched, and did not',
    read: async () => {
      const { planned = 0, fetched = 0 } = (await readLastRun(db)) ?? {}
      return planned - fetched
    },
  })
}

function countFetches(registry: Registry, upstream: Pick<OpenedUpstream, 'counts'>): void {
  const fetches = new Counter({
    name: 'hart_depot_upstream_fetches_total',
    help: 'Releases that were fetched from upstream and stored, or that upstream could not give',
    labelNames: ['outcome'],
    registers: [registry],
    async collect() {
      const { stored, failed } = await upstream.counts()
      fetches.reset()
      fetches.inc({ outcome: 'stored' }, stored)
      fetches.inc({ outcome: 'failed' }, failed)
    },
  })
  const bytes = new Counter({
    name: 'hart_depot_upstream_fetched_bytes_total',
    help: 'Bytes of the releases that were fetched from upstream and stored',
    registers: [registry],
    async collect() {
      const { storedBytes } = await upstream.counts()
      bytes.reset()
      bytes.inc(storedBytes)
    },
  })
}
