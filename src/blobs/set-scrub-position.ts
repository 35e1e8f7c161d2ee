import type { CommandContext } from '../ledger/command-context.ts'
import { updateScrub } from './blob-store.ts'
import type { ScrubProgress } from './blob-store.ts'

/** Stores how far the scrub has read. Records no ledger entry. */
export async function setScrubPosition({ trx }: CommandContext, position: ScrubProgress): Promise<void> {
  await updateScrub(trx, position)
}
