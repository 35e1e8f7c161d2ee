import type { CommandContext } from '../ledger/command-context.ts'
import { updateScrub } from './blob-store.ts'

/** Stores the position of a pass over all blobs or, with `endedAt`, its end. Times are of the wall clock. */
export async function setScrubPosition(
  { trx }: CommandContext,
  position: { scrubbedTo: string; begunAt: number; endedAt?: number },
): Promise<void> {
  await updateScrub(trx, position)
}
