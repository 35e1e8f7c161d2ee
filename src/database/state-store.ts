import { sql } from 'kysely'
import type { Db } from './database.ts'

/** The names of facts that the depot stores about itself. */
export type StateName =
  /** When the clock fell behind commit times, in epoch milliseconds. */
  | 'clock_set_back_at'
  /** The random id of the depot's present history. A restore starts a new one. */
  | 'incarnation'
  /**
   * Since when unneeded blobs are kept, in epoch milliseconds: the depot was restored from an older copy, and
   * the operator has not yet adopted or discarded them.
   */
  | 'orphans_kept_since'
  /** The freezes that hold in every view, as JSON. */
  | 'freezes'
  /** The outcome of the last run of the mirror, as JSON. */
  | 'mirrored'
  /** What the daily runs of retention have removed today, as JSON. */
  | 'retention_day'
  /** Why the depot accepts no changes: it is being moved to another database, or was. */
  | 'moving'
  /**
   * The hash of the last entry that a restore loaded. While the ledger ends with this entry, nobody has used
   * the database, and a restore that was interrupted may load it again.
   */
  | 'restored_head'
  /** The id of the key with which all nodes encrypt secrets. Absent where one process writes. */
  | 'secret_key'
  /** How many bytes all releases together may have. */
  | 'quota_bytes'
  /** The patterns of the names that are reserved for origins of administrators, as JSON. */
  | 'reserved_origins'

/** The first words of the state `moving` once the depot was moved, and refuses changes for good. */
export const MOVED = 'it was moved to'

export async function findState(db: Db, name: StateName): Promise<string | undefined> {
  const row = await db.selectFrom('depot_state').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value
}

/** Returns those of the named facts that are stored. */
export async function findStates<Name extends StateName>(
  db: Db,
  names: readonly Name[],
): Promise<Partial<Record<Name, string>>> {
  const rows = await db
    .selectFrom('depot_state')
    .select(['name', 'value'])
    .where('name', 'in', [...names])
    .execute()
  return Object.fromEntries(rows.map(({ name, value }) => [name, value])) as Partial<Record<Name, string>>
}

/** Stores a fact. `undefined` deletes it. */
export async function setState(db: Db, name: StateName, value: string | undefined): Promise<void> {
  if (value === undefined) await db.deleteFrom('depot_state').where('name', '=', name).execute()
  else
    await db
      .insertInto('depot_state')
      .values({ name, value })
      .onConflict((on) => on.column('name').doUpdateSet({ value }))
      .execute()
}

/** The freezes that hold in every view, as an expression for statements that read views. */
export const commonFreezes = sql<string | null>`(SELECT value FROM depot_state WHERE name = 'freezes')`.as(
  'common_freezes',
)

/**
 * When the clock fell behind commit times, as an expression for statements that measure durations. NULL while
 * clock and commit times agree.
 */
export const clockSetBackAt = sql<
  number | null
>`(SELECT CAST(value AS BIGINT) FROM depot_state WHERE name = 'clock_set_back_at')`

/** Reads when the clock fell behind commit times; `undefined` while they agree. */
export async function readClockSetBackAt(db: Db): Promise<number | undefined> {
  const { at } = await db.selectNoFrom(clockSetBackAt.as('at')).executeTakeFirstOrThrow()
  return at ?? undefined
}
