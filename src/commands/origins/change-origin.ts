import type { Visibility } from '../../access/access.ts'
import type { Change } from '../../ledger/command-context.ts'
import { getOrigin, updateDefaultVisibility } from '../../origins/origin-store.ts'

/** Sets the default visibility of an origin's new packages. Throws `not_found`. */
export async function changeOrigin(
  change: Change,
  input: { origin: string; defaultVisibility: Visibility },
): Promise<{ isChanged: boolean }> {
  const { defaultVisibility } = input
  const origin = await getOrigin(change.trx, input.origin)
  if (origin.defaultVisibility === defaultVisibility) return { isChanged: false }
  await updateDefaultVisibility(change.trx, origin.id, defaultVisibility, change.at)
  await change.record(
    { kind: 'origin-changed', origin: origin.name, defaultVisibility },
    { originId: origin.id },
  )
  return { isChanged: true }
}
