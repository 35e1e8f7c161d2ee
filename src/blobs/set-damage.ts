import type { CommandContext } from '../ledger/command-context.ts'
import { updateDamage } from './blob-store.ts'
import type { Damage } from './storage.ts'

/** Records the damage of a blob, or that it has none. Writes no ledger entry, since no release changes. */
export async function setDamage(
  { trx, at }: CommandContext,
  { checksum, damage }: { checksum: string; damage?: Damage },
): Promise<void> {
  await updateDamage(trx, checksum, damage === undefined ? undefined : { damage, at })
}
