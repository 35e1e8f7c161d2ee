import type { Change } from '../ledger/change.ts'
import { updateScrub } from './blob-store.ts'

/** Notes how far a pass over all blobs has come, and with `endedAt` that it came to its end. Times are those of the wall clock. */
export async function noteScrub(
  { trx }: Change,
  position: { scrubbedTo: string; begunAt: number; endedAt?: number },
): Promise<void> {
  await updateScrub(trx, position)
}
