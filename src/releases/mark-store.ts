import type { Audience } from '../access/access.ts'
import { inBatches } from '../database/batches.ts'
import { usingIndex } from '../database/engine-sql.ts'
import type { Db } from '../database/database.ts'
import type { ReleaseName } from '../package/ident.ts'
import { MARKS, noticeOf } from '../package/mark.ts'
import type { Mark, Notice } from '../package/mark.ts'
import { visibleTo } from './visible-store.ts'

// The marks of releases: which are yanked, deprecated or held. Few releases have one.

/** The marks that a release has. */
export type Marks = Readonly<Partial<Record<Mark, Notice>>>

/** How many releases of a package have a mark. */
export type MarkCounts = Readonly<Record<'yanked' | 'deprecated', number>>

export const NO_MARKS: MarkCounts = { yanked: 0, deprecated: 0 }

/** Sets a mark of a release, or removes it. */
export async function updateMark(
  db: Db,
  releaseId: number,
  mark: Mark,
  notice: Notice | undefined,
): Promise<void> {
  await db
    .updateTable('releases')
    .set({ [mark]: notice === undefined ? null : JSON.stringify(notice) })
    .where('id', '=', releaseId)
    .execute()
}

/** Returns the marks of a release. */
export async function readMarks(db: Db, releaseId: number): Promise<Marks> {
  const row = await db
    .selectFrom('releases')
    .select([...MARKS])
    .where('id', '=', releaseId)
    .executeTakeFirstOrThrow()
  return marksOf(row)
}

/** Lists the marks of all releases, in no order. */
export async function listMarks(
  db: Db,
): Promise<(ReleaseName & Pick<Notice, 'reason' | 'since'> & { mark: Mark })[]> {
  const rows = await marked(db).execute()
  return rows.flatMap(({ ident, target, ...row }) =>
    Object.entries(marksOf(row)).map(([mark, { reason, since }]) => ({
      ident,
      target,
      mark: mark as Mark,
      reason,
      since,
    })),
  )
}

/** Returns the marks of the given releases, by id. Omits releases that are neither yanked nor deprecated. */
export async function findMarks(db: Db, releaseIds: readonly number[]): Promise<Map<number, Marks>> {
  const found = new Map<number, Marks>()
  for (const ids of inBatches(releaseIds)) {
    const rows = await db
      .selectFrom('releases')
      .select(['id', 'yanked', 'deprecated', 'held'])
      .where('id', 'in', ids)
      .where((eb) => eb.or([eb('yanked', 'is not', null), eb('deprecated', 'is not', null)]))
      .execute()
    for (const { id, ...row } of rows) found.set(id, marksOf(row))
  }
  return found
}

/** Counts, for each package, its visible releases that are yanked and those that are deprecated. */
export async function countMarks(
  db: Db,
  packageIds: readonly number[],
  audience: Audience,
): Promise<Map<number, MarkCounts>> {
  const counts = new Map<number, MarkCounts>()
  for (const ids of inBatches(packageIds)) {
    const rows = await marked(db)
      .select('releases.package_id')
      .where('releases.package_id', 'in', ids)
      .where((eb) => visibleTo(eb, audience))
      .execute()
    for (const row of rows) {
      const { yanked, deprecated } = counts.get(row.package_id) ?? NO_MARKS
      counts.set(row.package_id, {
        yanked: yanked + Number(row.yanked !== null),
        deprecated: deprecated + Number(row.deprecated !== null),
      })
    }
  }
  return counts
}

function marked(db: Db) {
  return db
    .selectFrom(usingIndex('releases', 'releases_marked'))
    .select(['releases.ident', 'releases.target', 'releases.yanked', 'releases.deprecated', 'releases.held'])
    .where('releases.deleted_at', 'is', null)
    .where((eb) => eb.or(MARKS.map((mark) => eb(`releases.${mark}`, 'is not', null))))
}

function marksOf(row: Readonly<Record<Mark, string | null>>): Marks {
  return Object.fromEntries(
    MARKS.flatMap((mark) => {
      const notice = noticeOf(row[mark])
      return notice === undefined ? [] : [[mark, notice]]
    }),
  )
}
