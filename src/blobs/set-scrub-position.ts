import type { CommandContext } from '../ledger/command-context.ts'
import { updateScrub } from './blob-store.ts'

/** Records the position of a pass over all blobs, and with `endedAt` that it ended. Times are those of the wall clock. */
export async function setScrubPosition(
  { trx }: CommandContext,
  position: { scrubbedTo: string; begunAt: number; endedAt?: number },
): Promise<void> {
  await updateScrub(trx, position)
}
