import type { Change } from '../ledger/change.ts'
import { markRemoved } from './blob-store.ts'

/** Notes that the bytes of blobs were taken away. One that an upload needs again meanwhile stays as it is. */
export async function noteCollected(
  { trx, at }: Change,
  { checksums }: { checksums: readonly string[] },
): Promise<void> {
  await markRemoved(trx, checksums, at)
}
