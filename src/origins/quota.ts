import { DepotError } from '../errors.ts'
import { formatBytes } from '../text/columns.ts'

/** The quota of an origin or of the depot, and how much of it is used. */
export interface Quota {
  /** `undefined` for the quota of the depot. */
  readonly origin: string | undefined
  /** The bytes of the releases that are stored and not deleted. May be more than `quotaBytes`. */
  readonly usedBytes: number
  readonly quotaBytes: number
}

/** The depot warns when this share of a quota, or more, is used. */
const WARNING_SHARE = 0.8

/** Throws `quota_exceeded` if `bytes` more bytes would exceed one of the quotas. `what` names the release. */
export function expectWithinQuotas(
  quotas: readonly Quota[],
  { bytes, what }: { bytes: number; what: string },
): void {
  for (const quota of quotas) {
    const excessBytes = quota.usedBytes + bytes - quota.quotaBytes
    if (excessBytes <= 0) continue
    throw new DepotError(
      'quota_exceeded',
      `there is no room for ${what}: ${ownerOf(quota)} uses ${formatBytes(quota.usedBytes)} of its quota of ${formatBytes(quota.quotaBytes)}, which would be exceeded by ${formatBytes(excessBytes)}; nothing was stored`,
    )
  }
}

/** Reports whether so much of a quota is used that the depot warns. */
export function isNear({ usedBytes, quotaBytes }: Omit<Quota, 'origin'>): boolean {
  return usedBytes >= quotaBytes * WARNING_SHARE
}

/** Returns a warning without a full stop, or `undefined` if the quota is not near its limit. */
export function quotaWarning(quota: Quota): string | undefined {
  if (!isNear(quota)) return undefined
  const { usedBytes, quotaBytes } = quota
  const used = quotaBytes === 0 ? formatBytes(usedBytes) : `${Math.floor((usedBytes / quotaBytes) * 100)} %`
  return `${ownerOf(quota)} uses ${used} of its quota of ${formatBytes(quotaBytes)}`
}

function ownerOf({ origin }: Quota): string {
  return origin === undefined ? 'the depot' : `the origin ${origin}`
}
