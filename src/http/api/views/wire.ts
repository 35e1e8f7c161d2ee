import type { z } from 'zod'
import type { LedgerHead } from '../../../ledger/chain.ts'
import { formatPosition } from '../../../ledger/position.ts'
import type { View } from '../../../views/view.ts'
import { wireTime } from '../conventions/wire.ts'
import { wireFrozen } from '../gates/wire.ts'
import type * as shapes from './shapes.ts'

export function wireView(view: View): z.infer<typeof shapes.View> {
  return {
    name: view.name,
    rule: view.rule,
    maker: view.maker,
    revision: view.revision,
    created_at: wireTime(view.createdAt),
    ungoverned: [...view.ungoverned],
  }
}

/** Converts a view. `entry` is the ledger entry of its revision, or `FIRST_HEAD` at revision 0. */
export function wireViewDetail(
  view: View,
  more: { entry: LedgerHead; packages: number; previewOf: string | undefined; now: number },
): z.infer<typeof shapes.ViewDetail> {
  const { entry } = more
  return {
    ...wireView(view),
    revision_id: formatPosition(view.revision, entry),
    revised_at: wireTime(view.revision === 0 ? undefined : entry.at),
    closed_at: wireTime(view.closedAt),
    packages: more.packages,
    frozen: wireFrozen(view.freezes, more.now),
    preview_of: more.previewOf ?? null,
  }
}
