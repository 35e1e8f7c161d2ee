import type { Change } from '../../ledger/change.ts'
import type { View } from '../../views/view.ts'
import { listPreviews, setUngovernedOrigins } from '../../revisions/view-store.ts'

/**
 * Sets the origins that a view does not govern, all of them at once. Its previews follow: below their URLs clients find what they will
 * find below that of the view.
 */
export async function setUngoverned(change: Change, view: View, origins: readonly string[]): Promise<void> {
  const next = [...new Set(origins)]
  if (JSON.stringify(next) === JSON.stringify(view.ungoverned)) return
  await setUngovernedOrigins(change.trx, view.id, next)
  await change.record({ kind: 'ungoverned-set', view: view.name, origins: next }, { viewId: view.id })
  for (const preview of await listPreviews(change.trx, { baseId: view.id }))
    await setUngoverned(change, preview, next)
}
