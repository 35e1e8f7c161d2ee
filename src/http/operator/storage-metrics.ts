import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Depot } from '../../depot/depot.ts'
import { findQuotas, listQuotas } from '../../origins/quota-store.ts'
import { isNear } from '../../origins/quota.ts'
import type { Quota } from '../../origins/quota.ts'
import { readDepotStorage } from '../../origins/storage-store.ts'
import type { MonthSize } from '../../origins/storage-store.ts'
import { addGauge } from './gauge.ts'

/** The maximum number of origins with gauges: those that have used most of their quotas. */
const MAX_MEASURED_ORIGINS = 100

/** The oldest month of each age, in months before the present one. */
const AGES = { 'this month and the last': 1, 'up to a year': 12, older: Infinity } as const

/**
 * Adds gauges of the bytes of releases, by age, and of quotas. The label `origin` has only names of origins
 * to which administrators gave quotas.
 */
export function measureStorage(registry: Registry, { db, now }: Depot): void {
  const registers = [registry]
  const sizes = new Gauge({
    name: 'hart_depot_release_bytes',
    help: 'Bytes of the releases that are not deleted, by how long ago the depot received them',
    labelNames: ['age'],
    registers,
    async collect() {
      for (const age of Object.keys(AGES)) sizes.set({ age }, 0)
      for (const size of (await readDepotStorage(db)).months)
        sizes.inc({ age: ageOf(size, now()) }, size.bytes)
    },
  })
  addGauge(registry, 'hart_depot_quota_bytes', {
    help: 'Quota of the whole depot in bytes; +Inf without a quota',
    read: async () => (await findQuotas(db, undefined))[0]?.quotaBytes ?? Infinity,
  })
  const addOriginGauge = (name: string, help: string, valueOf: (quota: Quota) => number) => {
    const gauge: Gauge<'origin'> = new Gauge({
      name,
      help,
      labelNames: ['origin'],
      registers,
      async collect() {
        gauge.reset()
        const quotas = (await listQuotas(db)).filter(({ origin }) => origin !== undefined)
        for (const quota of quotas.slice(0, MAX_MEASURED_ORIGINS))
          gauge.set({ origin: quota.origin ?? '' }, valueOf(quota))
      },
    })
  }
  addOriginGauge(
    'hart_depot_origin_bytes',
    'Bytes of the releases of an origin that has a quota',
    ({ usedBytes }) => usedBytes,
  )
  addOriginGauge(
    'hart_depot_origin_quota_bytes',
    'Quota of an origin in bytes',
    ({ quotaBytes }) => quotaBytes,
  )
  addGauge(registry, 'hart_depot_quotas_nearly_used', {
    help: 'Quotas of origins and of the depot of which 80 % or more are used',
    read: async () => (await listQuotas(db)).filter(isNear).length,
  })
}

function ageOf({ month }: MonthSize, now: number): string {
  const date = new Date(now)
  const [year = 0, number = 0] = month.split('-').map(Number)
  const months = (date.getUTCFullYear() - year) * 12 + date.getUTCMonth() + 1 - number
  const [age = ''] = Object.entries(AGES).find(([, oldest]) => months <= oldest) ?? []
  return age
}
