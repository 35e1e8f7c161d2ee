import type { CommandContext } from '../ledger/command-context.ts'
import { markRemoved } from './blob-store.ts'

/** Records that the bytes of blobs were removed. Ignores blobs that an upload needs again. */
export async function markCollected(
  { trx, at }: CommandContext,
  { checksums }: { checksums: readonly string[] },
): Promise<void> {
  await markRemoved(trx, checksums, at)
}
