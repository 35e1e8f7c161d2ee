import type { CommandContext } from '../ledger/command-context.ts'
import { updateScrub } from './blob-store.ts'

/**
 * Stores how far a scrub has read: `scrubbedTo` is the last checksum. With `endedAt`, the scrub is complete.
 * Times are epoch milliseconds.
 */
export async function setScrubPosition(
  { trx }: CommandContext,
  position: { scrubbedTo: string; begunAt: number; endedAt?: number },
): Promise<void> {
  await updateScrub(trx, position)
}
