import type { CommandContext } from '../../ledger/command-context.ts'
import type { View } from '../../views/view.ts'
import { listPreviews, setUngovernedOrigins } from '../../revisions/view-store.ts'

/**
 * Replaces the list of origins that a view does not govern. Previews of the view get the same list.
 */
export async function setUngoverned(
  context: CommandContext,
  view: View,
  origins: readonly string[],
): Promise<void> {
  const next = [...new Set(origins)]
  if (JSON.stringify(next) === JSON.stringify(view.ungoverned)) return
  await setUngovernedOrigins(context.trx, view.id, next)
  await context.record({ kind: 'ungoverned-set', view: view.name, origins: next }, { viewId: view.id })
  for (const preview of await listPreviews(context.trx, { baseId: view.id }))
    await setUngoverned(context, preview, next)
}
