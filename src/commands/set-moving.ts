import type { CommandContext } from '../ledger/command-context.ts'
import { setState } from '../database/state-store.ts'

/**
 * Begins to refuse all other changes, or with `reason` `undefined` ends that. The reason completes the
 * sentence "the depot accepts no changes: …". Records nothing in the ledger, which is being copied.
 */
export async function setMoving(
  { trx }: CommandContext,
  { reason }: { readonly reason: string | undefined },
): Promise<void> {
  await setState(trx, 'moving', reason)
}
