import type { CommandContext } from '../../ledger/command-context.ts'
import { findQuotas } from '../../origins/quota-store.ts'
import { expectWithinQuotas, isNear, quotaWarning } from '../../origins/quota.ts'
import type { Origin } from '../../origins/origin-store.ts'

/**
 * Checks that the quotas of an origin and of the depot have room for `sizeBytes` more. Call it before the
 * bytes of a release are referenced; from then on they count by themselves. Records when a quota begins to be
 * nearly used up. Returns the warnings for the publisher, as sentences. `what` names the release. Throws
 * `quota_exceeded`.
 */
export async function useQuota(
  context: CommandContext,
  { origin, sizeBytes, what }: { origin: Pick<Origin, 'id' | 'name'>; sizeBytes: number; what: string },
): Promise<string[]> {
  const before = await findQuotas(context.trx, origin.name)
  expectWithinQuotas(before, { bytes: sizeBytes, what })
  const after = before.map((quota) => ({ ...quota, usedBytes: quota.usedBytes + sizeBytes }))
  for (const [index, quota] of after.entries()) {
    const was = before[index]
    if (!isNear(quota) || was === undefined || isNear(was)) continue
    const { origin: name, usedBytes, quotaBytes } = quota
    await context.record(
      { kind: 'quota-neared', ...(name !== undefined && { origin: name }), usedBytes, quotaBytes },
      name === undefined ? {} : { originId: origin.id },
    )
  }
  return after.flatMap((quota) => quotaWarning(quota) ?? [])
}
