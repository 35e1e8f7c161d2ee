import { durationStart } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../database/database.ts'
import { prepared } from '../database/prepared.ts'
import { clockSetBackAt } from '../database/state-store.ts'
import type { Damage } from './storage.ts'

const ROWS_IN_A_PAGE = 100

// The rows of blobs. A release needs its blob until the release is deleted. The row of a blob that no release
// needs is kept, with the time at which the blob became unneeded.

/** Returns the number of stored blobs and the sum of their bytes. */
export async function readStored(db: Db): Promise<{ blobs: number; bytes: number }> {
  return db.selectFrom('stored').select(['blobs', 'bytes']).where('id', '=', 1).executeTakeFirstOrThrow()
}

/** Counts the blobs that releases need. Reads all rows. */
export async function countBlobs(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('blobs')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('unreferenced_since', 'is', null)
    .executeTakeFirstOrThrow()
  return count
}

/** Counts the blobs that are known to be damaged. */
export async function countDamaged(db: Db): Promise<number> {
  const { count } = await damaged(db)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** A blob that a release needs. */
export interface StoredBlob {
  readonly checksum: string
  readonly sizeBytes: number
  /** The known damage, if any. */
  readonly damage: Damage | undefined
}

/** Finds a blob. Returns `undefined` if no release needs it. */
export async function findBlob(db: Db, checksum: string): Promise<StoredBlob | undefined> {
  const row = await needed(db).where('checksum', '=', checksum).executeTakeFirst()
  return row && blobOf(row)
}

/** Lists the blobs that releases need, by checksum: those after `after`. */
export async function listBlobs(
  db: Db,
  { after, limit }: { after: string; limit: number },
): Promise<StoredBlob[]> {
  const rows = await needed(db).where('checksum', '>', after).orderBy('checksum').limit(limit).execute()
  return rows.map(blobOf)
}

/** Lists the blobs that releases need, by checksum, a page at a time. */
export async function* allBlobs(db: Db): AsyncGenerator<StoredBlob> {
  let last: string | undefined = ''
  while (last !== undefined) {
    const page: StoredBlob[] = await listBlobs(db, { after: last, limit: ROWS_IN_A_PAGE })
    yield* page
    last = page.at(-1)?.checksum
  }
}

/** Lists checksums of damaged blobs, at most `limit`. */
export async function listDamaged(db: Db, limit: number): Promise<string[]> {
  const rows = await damaged(db).select('checksum').limit(limit).execute()
  return rows.map(({ checksum }) => checksum)
}

/** Stores the damage of a blob; `undefined` clears it. Ignores blobs that no release needs. */
export async function updateDamage(
  db: Db,
  checksum: string,
  found: { damage: Damage; at: number } | undefined,
): Promise<void> {
  await db
    .updateTable('blobs')
    .set({ damage: found?.damage ?? null, damaged_at: found?.at ?? null })
    .where('checksum', '=', checksum)
    .where('unreferenced_since', 'is', null)
    .execute()
}

/** The position of the scrub in its pass over all blobs. Times are epoch milliseconds. */
export interface ScrubPosition {
  /** The last checksum read; empty between passes. */
  readonly scrubbedTo: string
  /** When the pass began, in epoch milliseconds. */
  readonly begunAt: number | null
  /** When the last complete pass ended. */
  readonly endedAt: number | null
}

/** Reads the position of the scrub. */
export async function readScrub(db: Db): Promise<ScrubPosition> {
  const row = await db.selectFrom('upkeep').selectAll().where('id', '=', 1).executeTakeFirstOrThrow()
  return { scrubbedTo: row.scrubbed_to, begunAt: row.scrub_begun_at, endedAt: row.scrub_ended_at }
}

/** A new position of the scrub. `endedAt` is set when a pass is complete, and is kept otherwise. */
export interface ScrubProgress {
  readonly scrubbedTo: string
  readonly begunAt: number
  readonly endedAt?: number
}

/** Stores the position of the scrub. */
export async function updateScrub(db: Db, { scrubbedTo, begunAt, endedAt }: ScrubProgress): Promise<void> {
  await db
    .updateTable('upkeep')
    .set({
      scrubbed_to: scrubbedTo,
      scrub_begun_at: begunAt,
      ...(endedAt !== undefined && { scrub_ended_at: endedAt }),
    })
    .where('id', '=', 1)
    .execute()
}

// The condition on the checksum is always true. With it, SQLite uses the partial index `blobs_damaged`.
function damaged(db: Db) {
  return db.selectFrom('blobs').where('damage', 'is not', null).where('checksum', '>', '')
}

function needed(db: Db) {
  return db
    .selectFrom('blobs')
    .select(['checksum', 'size_bytes', 'damage'])
    .where('unreferenced_since', 'is', null)
}

function blobOf(row: { checksum: string; size_bytes: number; damage: string | null }): StoredBlob {
  return {
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    damage: (row.damage ?? undefined) as Damage | undefined,
  }
}

/** A blob that no release needs and whose bytes may still exist. */
export interface UnneededBlob {
  readonly checksum: string
  readonly sizeBytes: number
  /** Since when no release needs the blob, in epoch milliseconds. */
  readonly since: number
  /** How long the bytes are kept after that; 0 unless retention removed the release. */
  readonly quarantineMs: number
}

/** Reports whether retention still keeps the bytes of a blob that no release needs. */
export function isInQuarantine(
  { since, quarantineMs }: Pick<UnneededBlob, 'since' | 'quarantineMs'>,
  clock: Clock,
): boolean {
  return durationStart(since, clock) + quarantineMs > clock.now
}

/** Lists unneeded blobs in the order in which they became unneeded: those after `after`. */
export async function listUnneeded(
  db: Db,
  { after, limit }: { after: Pick<UnneededBlob, 'checksum' | 'since'> | undefined; limit: number },
): Promise<UnneededBlob[]> {
  const { since = 0, checksum = '' } = after ?? {}
  const rows = await db
    .selectFrom('blobs')
    .select(['checksum', 'size_bytes', 'unreferenced_since', 'quarantine_ms'])
    .where('unreferenced_since', 'is not', null)
    .where('removed_at', 'is', null)
    .where('unreferenced_since', '>=', since)
    .where((eb) => eb.or([eb('unreferenced_since', '>', since), eb('checksum', '>', checksum)]))
    .orderBy('unreferenced_since')
    .orderBy('checksum')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    checksum: row.checksum,
    sizeBytes: row.size_bytes,
    since: row.unreferenced_since ?? 0,
    quarantineMs: row.quarantine_ms ?? 0,
  }))
}

/** Lists the blobs that no release needs, and whose rows say that the bytes are stored, a page at a time. */
export async function* allUnneeded(db: Db): AsyncGenerator<UnneededBlob> {
  let last: UnneededBlob | undefined
  do {
    const page: UnneededBlob[] = await listUnneeded(db, { after: last, limit: ROWS_IN_A_PAGE })
    yield* page
    last = page.at(-1)
  } while (last !== undefined)
}

/** Returns those of the checksums whose rows say that the bytes are stored. */
export async function listStored(db: Db, checksums: readonly string[]): Promise<string[]> {
  if (checksums.length === 0) return []
  const rows = await db
    .selectFrom('blobs')
    .select('checksum')
    .where('checksum', 'in', checksums)
    .where('removed_at', 'is', null)
    .execute()
  return rows.map(({ checksum }) => checksum)
}

/** Returns those of the checksums that a release needs or that are in quarantine. */
export async function listKept(db: Db, checksums: readonly string[]): Promise<string[]> {
  if (checksums.length === 0) return []
  const rows = await db
    .selectFrom('blobs')
    .select('checksum')
    .where('checksum', 'in', checksums)
    .where('removed_at', 'is', null)
    .where((eb) => eb.or([eb('unreferenced_since', 'is', null), eb('quarantine_ms', 'is not', null)]))
    .execute()
  return rows.map(({ checksum }) => checksum)
}

/** Records that the bytes of these blobs were removed. Ignores blobs that a release needs. */
export async function markRemoved(db: Db, checksums: readonly string[], at: number): Promise<void> {
  await db
    .updateTable('blobs')
    .set({ removed_at: at, damage: null, damaged_at: null })
    .where('checksum', 'in', checksums)
    .where('unreferenced_since', 'is not', null)
    .execute()
}

/** Lists the releases that need a blob, as `origin/name/version/release`. */
export async function listIdentsOf(db: Db, checksum: string): Promise<string[]> {
  const rows = await db
    .selectFrom('releases')
    .select('ident')
    .where('checksum', '=', checksum)
    .where('deleted_at', 'is', null)
    .orderBy('ident')
    .execute()
  return rows.map(({ ident }) => ident)
}

/** Lists the releases that need a blob, with the target of each. */
export async function listReleasesOf(db: Db, checksum: string): Promise<{ ident: string; target: string }[]> {
  return db
    .selectFrom('releases')
    .select(['ident', 'target'])
    .where('checksum', '=', checksum)
    .where('deleted_at', 'is', null)
    .orderBy('ident')
    .execute()
}

/** Records that the bytes of a checksum are present, intact and needed. */
export async function referenceBlob(
  db: Db,
  blob: { checksum: string; sizeBytes: number; at: number },
): Promise<void> {
  await upsertBlob(db, blob)
}

const upsertBlob = prepared<{ checksum: string; sizeBytes: number; at: number }>()(
  (db, { checksum, sizeBytes, at }) =>
    db
      .insertInto('blobs')
      .values({ checksum, size_bytes: sizeBytes, created_at: at, unreferenced_since: null })
      .onConflict((conflict) =>
        conflict.column('checksum').doUpdateSet((eb) => ({
          size_bytes: eb.ref('excluded.size_bytes'), // the announced size may be wrong
          created_at: eb
            .case()
            .when('blobs.removed_at', 'is', null)
            .then(eb.ref('blobs.created_at'))
            .else(eb.ref('excluded.created_at'))
            .end(),
          unreferenced_since: null,
          quarantine_ms: null,
          removed_at: null,
          damage: null,
          damaged_at: null,
        })),
      ),
)

/**
 * Inserts the row of a blob whose bytes have never been here, unless there is one. The row says that no
 * release needs the bytes and that they were removed.
 */
export async function announceBlob(
  db: Db,
  { checksum, sizeBytes, at }: { checksum: string; sizeBytes: number; at: number },
): Promise<void> {
  await db
    .insertInto('blobs')
    .values({ checksum, size_bytes: sizeBytes, created_at: at, unreferenced_since: at, removed_at: at })
    .onConflict((conflict) => conflict.column('checksum').doNothing())
    .execute()
}

/**
 * Reports whether a release needs the blob. Announced releases do not, because they have no bytes. Reads the
 * releases, not the row of the blob.
 */
export async function isBlobReferenced(db: Db, checksum: string): Promise<boolean> {
  const row = await db
    .selectFrom('releases')
    .select('id')
    .where('checksum', '=', checksum)
    .where('deleted_at', 'is', null)
    .where('is_announced', '=', 0)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Reports whether a blob must stay: a release needs it, or it is in quarantine. */
export async function isBlobKept(db: Db, checksum: string, now: number): Promise<boolean> {
  if (await isBlobReferenced(db, checksum)) return true
  const row = await db
    .selectFrom('blobs')
    .select(['unreferenced_since', 'quarantine_ms', clockSetBackAt.as('set_back_at')])
    .where('checksum', '=', checksum)
    .where('removed_at', 'is', null)
    .executeTakeFirst()
  const { unreferenced_since: since = null, quarantine_ms: quarantineMs = null } = row ?? {}
  if (since === null || quarantineMs === null) return false
  return isInQuarantine({ since, quarantineMs }, { now, setBackAt: row?.set_back_at ?? undefined })
}

/**
 * Records since when no release needs the bytes of a checksum. With `quarantineMs`, the bytes are kept that
 * long.
 */
export async function unreferenceBlob(
  db: Db,
  checksum: string,
  { at, quarantineMs }: { at: number; quarantineMs?: number },
): Promise<void> {
  await db
    .updateTable('blobs')
    .set({ unreferenced_since: at, quarantine_ms: quarantineMs ?? null, damage: null, damaged_at: null })
    .where('checksum', '=', checksum)
    .execute()
}
