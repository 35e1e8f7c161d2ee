import type { Db } from '../database/database.ts'
import type { Line } from '../package/ident.ts'
import { TARGETS } from '../package/target.ts'
import { readPackageNames } from '../releases/package-store.ts'
import { listPointerTuples } from '../revisions/pointer-store.ts'
import type { View } from '../views/view.ts'
import type { Pointer } from './public-pointers.ts'

/**
 * How many views are read at once when the depot starts. The other reading threads stay free for requests.
 */
const PARALLEL_READS = 2

/** Reads the pointers of all views. The views share the string of each line, which saves memory. */
export async function readPointers(db: Db, views: readonly View[]): Promise<Map<string, Map<Line, Pointer>>> {
  const names = await readPackageNames(db)
  const lines = new Map(TARGETS.map((target) => [target, new Map<number, Line>()]))
  const pointers = new Map<string, Map<Line, Pointer>>()
  const remaining = views.values()
  const readRemaining = async () => {
    for (const view of remaining) {
      const pointersOfView = pointersOf(pointers, view.name)
      for (const [packageId, target, ident, revision] of await listPointerTuples(db, view.id)) {
        const name = names.get(packageId)
        if (name === undefined) continue // it is newer than the names: the caller gets its ledger entry
        const line = lines.get(target)?.get(packageId) ?? `${name} ${target}`
        lines.get(target)?.set(packageId, line)
        pointersOfView.set(line, { ident, revision, versions: undefined })
      }
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_READS }, readRemaining))
  return pointers
}

/** Returns the pointers of a view. Adds an empty map for a new view. */
export function pointersOf(pointers: Map<string, Map<Line, Pointer>>, view: string): Map<Line, Pointer> {
  const found = pointers.get(view) ?? new Map<Line, Pointer>()
  pointers.set(view, found)
  return found
}
