import type { z } from 'zod'
import type { Audience } from '../../../access/access.ts'
import type { ChangeRecord } from '../../../changes/change-record.ts'
import { listCurrentViews, listNewest } from '../../../changes/change-store.ts'
import type { NewestChange } from '../../../changes/change-store.ts'
import type { Db } from '../../../database/database.ts'
import type * as shapes from './shapes.ts'
import { wireChange } from './wire.ts'

/**
 * Converts changes to JSON. Adds the views in which all releases of a change are the latest, and the newer
 * changes of its project that the audience may see.
 */
export async function describeChanges(
  db: Db,
  records: readonly ChangeRecord[],
  audience: Audience,
): Promise<z.infer<typeof shapes.Change>[]> {
  const current = await listCurrentViews(
    db,
    records.map(({ id }) => id),
  )
  const newest = new Map<string, readonly NewestChange[]>()
  for (const record of new Map(records.map((each) => [each.project, each])).values())
    newest.set(record.project, await listNewest(db, record, audience))
  return records.map((record) => {
    const views = current.get(record.id) ?? new Map<string, number>()
    const newer = (newest.get(record.project) ?? []).filter(({ id }) => id > record.id)
    return wireChange(record, {
      delivered: [...views].filter(([, count]) => count === countPresent(record)).map(([view]) => view),
      newer: newer[0]?.publicId,
      supersededBy: views.size > 0 ? undefined : newer.find(({ isCurrent }) => isCurrent)?.publicId,
    })
  })
}

/** Counts the releases that no rebuild replaced. */
function countPresent({ releases }: ChangeRecord): number {
  return releases.filter(({ replacedBy }) => replacedBy === undefined).length
}
