import { sql } from 'kysely'
import type { Db } from './database.ts'

/** What a depot knows of itself. */
export type StateName =
  /** Since when the clock is behind commit times, in epoch milliseconds. */
  | 'clock_set_back_at'
  /** What the history is called since the last `depot-restored`. */
  | 'incarnation'
  /**
   * Since when bytes that no release needs are kept, in epoch milliseconds: the depot was put back to an older copy, and its operator
   * has not said what is to become of them.
   */
  | 'orphans_kept_since'
  /** The freezes of every view, as JSON. */
  | 'freezes'

export async function findState(db: Db, name: StateName): Promise<string | undefined> {
  const row = await db.selectFrom('depot_state').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value
}

/** Forgets it where `value` is `undefined`. */
export async function setState(db: Db, name: StateName, value: string | undefined): Promise<void> {
  if (value === undefined) await db.deleteFrom('depot_state').where('name', '=', name).execute()
  else
    await db
      .insertInto('depot_state')
      .values({ name, value })
      .onConflict((on) => on.column('name').doUpdateSet({ value }))
      .execute()
}

/** For a statement that reads views. */
export const commonFreezes = sql<string | null>`(SELECT value FROM depot_state WHERE name = 'freezes')`.as(
  'common_freezes',
)

/** For a statement that measures a duration: NULL while clock and commit times agree. */
export const clockSetBackAt = sql<
  number | null
>`(SELECT CAST(value AS INTEGER) FROM depot_state WHERE name = 'clock_set_back_at')`
