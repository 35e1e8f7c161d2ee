import { deleteOldDenials, insertDenial } from '../../accounts/denial-store.ts'
import type { Denial } from '../../accounts/denials.ts'
import type { CommandContext } from '../../ledger/command-context.ts'

/** Stores denials, and deletes the oldest beyond the limit. Records no ledger entry: nothing was changed. */
export async function saveDenials(
  context: CommandContext,
  { denials }: { denials: readonly Denial[] },
): Promise<void> {
  for (const denial of denials) await insertDenial(context.trx, denial)
  await deleteOldDenials(context.trx)
}
