import type { Db } from '../database/database.ts'

/** The maximum number of pinned revisions in the depot. */
export const MAX_PINS = 1_000

/** A revision whose releases are kept. */
export interface Pin {
  readonly view: string
  readonly revision: number
  readonly reason: string
  /** The account that pinned it; `undefined` for the operator's shell. */
  readonly by: string | undefined
  /** Epoch milliseconds. */
  readonly since: number
}

/** Lists the pinned revisions by view and revision, at most {@link MAX_PINS}. */
export async function listPins(db: Db, view?: string): Promise<Pin[]> {
  const rows = await db
    .selectFrom('pins')
    .innerJoin('views', 'views.id', 'pins.view_id')
    .leftJoin('accounts', 'accounts.id', 'pins.account_id')
    .select(['views.name as view', 'pins.revision', 'pins.reason', 'accounts.name as by', 'pins.at as since'])
    .$if(view !== undefined, (query) => query.where('views.name', '=', view ?? ''))
    .orderBy('views.name')
    .orderBy('pins.revision')
    .execute()
  return rows.map((row) => ({ ...row, by: row.by ?? undefined }))
}

/** Counts the pinned revisions. */
export async function countPins(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('pins')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

/** Counts the releases that were in a view at a revision and are deleted now. */
export async function countDeletedAt(db: Db, viewId: number, revision: number): Promise<number> {
  const { count } = await db
    .selectFrom('members')
    .innerJoin('releases', 'releases.id', 'members.release_id')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('members.view_id', '=', viewId)
    .where('members.from_revision', '<=', revision)
    .where((eb) => eb.or([eb('members.to_revision', 'is', null), eb('members.to_revision', '>', revision)]))
    .where('releases.deleted_at', 'is not', null)
    .executeTakeFirstOrThrow()
  return count
}

/** Finds the reason of a pin; `undefined` if the revision is not pinned. */
export async function findPin(db: Db, viewId: number, revision: number): Promise<string | undefined> {
  const row = await db
    .selectFrom('pins')
    .select('reason')
    .where('view_id', '=', viewId)
    .where('revision', '=', revision)
    .executeTakeFirst()
  return row?.reason
}

/** Pins a revision, or replaces the reason of its pin. */
export async function upsertPin(
  db: Db,
  pin: { viewId: number; revision: number; reason: string; accountId: number | undefined; at: number },
): Promise<void> {
  const values = { reason: pin.reason, account_id: pin.accountId ?? null, at: pin.at }
  await db
    .insertInto('pins')
    .values({ view_id: pin.viewId, revision: pin.revision, ...values })
    .onConflict((conflict) => conflict.columns(['view_id', 'revision']).doUpdateSet(values))
    .execute()
}

/** Removes a pin. */
export async function deletePin(db: Db, viewId: number, revision: number): Promise<void> {
  await db.deleteFrom('pins').where('view_id', '=', viewId).where('revision', '=', revision).execute()
}
