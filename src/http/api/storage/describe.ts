import type { z } from 'zod'
import { readStored } from '../../../blobs/blob-store.ts'
import type { Depot } from '../../../depot/depot.ts'
import { getOrigin } from '../../../origins/origin-store.ts'
import { quotaWarning } from '../../../origins/quota.ts'
import { readDepotStorage, readOriginStorage } from '../../../origins/storage-store.ts'
import type { Storage } from '../../../origins/storage-store.ts'
import type { DepotStorage, OriginStorage } from './shapes.ts'

/** Describes how much the releases of the depot take. */
export async function describeDepot({ db }: Depot): Promise<z.infer<typeof DepotStorage>> {
  const [storage, stored] = await Promise.all([readDepotStorage(db), readStored(db)])
  return {
    ...wireStorage(undefined, storage),
    unneeded_bytes: Math.max(stored.bytes - storage.bytes, 0), // a commit may fall between the reads
  }
}

/** Describes how much the releases of an origin take. Throws `not_found`. */
export async function describeOrigin({ db }: Depot, name: string): Promise<z.infer<typeof OriginStorage>> {
  const origin = await getOrigin(db, name)
  return { origin: name, ...wireStorage(name, await readOriginStorage(db, origin.id)) }
}

function wireStorage(
  origin: string | undefined,
  { releases, bytes: usedBytes, quotaBytes, months }: Storage,
) {
  const warning = quotaBytes === undefined ? undefined : quotaWarning({ origin, usedBytes, quotaBytes })
  return {
    releases,
    used_bytes: usedBytes,
    quota_bytes: quotaBytes ?? null,
    warning: warning ?? null,
    months: [...months],
  }
}
