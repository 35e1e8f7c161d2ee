import type { Change } from '../ledger/change.ts'
import { updateDamage } from './blob-store.ts'
import type { Damage } from './storage.ts'

/** Notes what was found wrong with the bytes of a blob, or that nothing is. It makes no entry in the ledger: no release changes. */
export async function noteDamage(
  { trx, at }: Change,
  { checksum, damage }: { checksum: string; damage?: Damage },
): Promise<void> {
  await updateDamage(trx, checksum, damage === undefined ? undefined : { damage, at })
}
