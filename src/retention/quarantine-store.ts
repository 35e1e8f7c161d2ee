import type { Audience } from '../access/access.ts'
import type { Db } from '../database/database.ts'
import { clockSetBackAt } from '../database/state-store.ts'
import { isInQuarantine } from '../blobs/blob-store.ts'
import { durationStart } from '../clock.ts'
import type { Release } from '../releases/release.ts'
import { releaseOf } from '../releases/release-store.ts'
import { visibleTo } from '../releases/visible-store.ts'
import type { Target } from '../package/target.ts'

// Releases that retention removed and whose bytes are still kept. Their rows are deleted like those of other
// deleted releases; the row of the blob tells the difference.

/** A release in quarantine. Times are epoch milliseconds. */
export interface Quarantined {
  readonly ident: string
  readonly target: Target
  readonly sizeBytes: number
  readonly removedAt: number
  /** Until when the bytes are kept. */
  readonly until: number
  readonly place: readonly [deletedAt: number, releaseId: number]
}

/** Lists the visible releases in quarantine, in the order of their removal. */
export async function listQuarantined(
  db: Db,
  page: { after: Quarantined['place'] | undefined; limit: number; now: number },
  audience: Audience,
): Promise<Quarantined[]> {
  const rows = await quarantined(db)
    .where((eb) => visibleTo(eb, audience))
    .where((eb) =>
      eb(
        eb.refTuple('releases.deleted_at', 'releases.id'),
        '>',
        eb.tuple(...(page.after ?? ([0, 0] as const))),
      ),
    )
    .orderBy('releases.deleted_at')
    .orderBy('releases.id')
    .limit(page.limit)
    .execute()
  return rows.map((row) => {
    const removedAt = row.unreferenced_since ?? 0
    const clock = { now: page.now, setBackAt: row.set_back_at ?? undefined }
    return {
      ident: row.ident,
      target: row.target,
      sizeBytes: row.size_bytes,
      removedAt,
      until: durationStart(removedAt, clock) + (row.quarantine_ms ?? 0),
      place: [row.deleted_at ?? 0, row.id],
    }
  })
}

/** Finds the release of this name that is in quarantine. */
export async function findQuarantined(
  db: Db,
  { ident, target }: { ident: string; target: Target },
  now: number,
): Promise<Release | undefined> {
  const row = await quarantined(db)
    .where('releases.ident', '=', ident)
    .where('releases.target', '=', target)
    .orderBy('releases.deleted_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const blob = { since: row.unreferenced_since ?? 0, quarantineMs: row.quarantine_ms ?? 0 }
  return isInQuarantine(blob, { now, setBackAt: row.set_back_at ?? undefined }) ? releaseOf(row) : undefined
}

/** Counts the blobs in quarantine and their bytes. */
export async function readQuarantine(db: Db): Promise<{ blobs: number; bytes: number }> {
  return db
    .selectFrom('blobs')
    .select((eb) => [
      eb.fn.countAll<number>().as('blobs'),
      eb.fn.coalesce(eb.fn.sum<number>('size_bytes'), eb.lit(0)).as('bytes'),
    ])
    .where('unreferenced_since', 'is not', null)
    .where('removed_at', 'is', null)
    .where('quarantine_ms', 'is not', null)
    .executeTakeFirstOrThrow()
}

// Several deleted releases may have had the bytes of a blob. The release in quarantine is the one that was
// deleted when the blob became unneeded.
function quarantined(db: Db) {
  return db
    .selectFrom('blobs')
    .innerJoin('releases', (on) =>
      on
        .onRef('releases.checksum', '=', 'blobs.checksum')
        .onRef('releases.deleted_at', '=', 'blobs.unreferenced_since'),
    )
    .selectAll('releases')
    .select(['blobs.unreferenced_since', 'blobs.quarantine_ms', clockSetBackAt.as('set_back_at')])
    .where('blobs.unreferenced_since', 'is not', null)
    .where('blobs.removed_at', 'is', null)
    .where('blobs.quarantine_ms', 'is not', null)
}
