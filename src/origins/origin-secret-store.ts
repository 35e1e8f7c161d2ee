import type { Db } from '../database/database.ts'

/** A stored secret. `sealed` is its encrypted value. */
export interface StoredSecret {
  readonly id: number
  readonly originId: number
  readonly name: string
  readonly sealed: string
}

/** Lists the secrets of an origin by name. */
export async function listSecrets(db: Db, originId: number): Promise<StoredSecret[]> {
  const rows = await db
    .selectFrom('origin_secrets')
    .select(['id', 'origin_id', 'name', 'value'])
    .where('origin_id', '=', originId)
    .orderBy('name')
    .execute()
  return rows.map((row) => ({ id: row.id, originId: row.origin_id, name: row.name, sealed: row.value }))
}

/** Stores a secret. Returns false if it exists already. */
export async function insertSecret(
  db: Db,
  secret: { originId: number; name: string; sealed: string; ownerId: number; at: number },
): Promise<boolean> {
  const { originId, name, sealed, ownerId, at } = secret
  const inserted = await db
    .insertInto('origin_secrets')
    .values({ origin_id: originId, name, value: sealed, owner_id: ownerId, created_at: at })
    .onConflict((conflict) => conflict.columns(['origin_id', 'name']).doNothing())
    .returning('name')
    .execute()
  return inserted.length === 1
}

/** Deletes a secret. Returns false if there is none. */
export async function deleteSecret(db: Db, originId: number, name: string): Promise<boolean> {
  const deleted = await db
    .deleteFrom('origin_secrets')
    .where('origin_id', '=', originId)
    .where('name', '=', name)
    .returning('name')
    .execute()
  return deleted.length > 0
}
