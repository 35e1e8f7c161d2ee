import { DepotError } from '../../errors.ts'
import type { CommandContext } from '../../ledger/command-context.ts'
import { getOrigin } from '../../origins/origin-store.ts'
import { findQuotas, setDepotQuota, updateQuota } from '../../origins/quota-store.ts'

/**
 * Sets the quota of an origin or, without one, of the depot; `bytes: null` removes it. A quota may be less
 * than what is used, which refuses further releases and deletes none. Throws `not_found` for the origin, and
 * `invalid_request`.
 */
export async function setQuota(
  context: CommandContext,
  { origin: name, bytes }: { origin?: string; bytes: number | null },
): Promise<{ isChanged: boolean }> {
  const { trx } = context
  if (bytes !== null && (!Number.isSafeInteger(bytes) || bytes < 0))
    throw new DepotError('invalid_request', 'a quota is a number of bytes')
  const origin = name === undefined ? undefined : await getOrigin(trx, name)
  const quotas = await findQuotas(trx, origin?.name)
  const before = quotas.find((quota) => quota.origin === origin?.name)?.quotaBytes ?? null
  if (before === bytes) return { isChanged: false }
  if (origin === undefined) await setDepotQuota(trx, bytes ?? undefined)
  else await updateQuota(trx, origin.id, bytes ?? undefined)
  await context.record(
    { kind: 'quota-set', ...(origin && { origin: origin.name }), bytes },
    origin === undefined ? {} : { originId: origin.id },
  )
  return { isChanged: true }
}
