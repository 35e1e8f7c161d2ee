import type { Change } from '../ledger/command-context.ts'
import { markRemoved } from './blob-store.ts'

/** Records that the bytes of blobs were removed. Ignores blobs that an upload needs again. */
export async function noteCollected(
  { trx, at }: Change,
  { checksums }: { checksums: readonly string[] },
): Promise<void> {
  await markRemoved(trx, checksums, at)
}
