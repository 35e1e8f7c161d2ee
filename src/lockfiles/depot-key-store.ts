import type { Db } from '../database/database.ts'
import { publicDepotKey } from './depot-key.ts'
import type { DepotKey } from './depot-key.ts'

/** One of the depot's own keys. */
export interface OwnKey {
  readonly key: DepotKey
  /**
   * The private half, encrypted by {@link SecretBox}. Its purpose is {@link depotKeyPurpose}.
   */
  readonly sealed: string
  readonly madeAt: number
}

/** A key of another depot. */
export interface TrustedKey {
  readonly name: string
  readonly key: DepotKey
  readonly addedAt: number
}

export const MAX_TRUSTED_KEYS = 1_000
const MAX_OWN_KEYS = 1_000

/** Lists the depot's newest own keys, the signing key first. */
export async function listOwnKeys(db: Db, limit = MAX_OWN_KEYS): Promise<OwnKey[]> {
  const rows = await db
    .selectFrom('depot_keys')
    .selectAll()
    .orderBy('created_at', 'desc')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ key: keyOf(row), sealed: row.sealed, madeAt: row.created_at }))
}

/** Finds the key that signs, which is the newest; `undefined` if the depot has none yet. */
export async function findSigningKey(db: Db): Promise<OwnKey | undefined> {
  const [key] = await listOwnKeys(db, 1)
  return key
}

export async function insertOwnKey(db: Db, { key, sealed, madeAt }: OwnKey): Promise<void> {
  await db
    .insertInto('depot_keys')
    .values({ id: key.id, public_key: key.raw.toString('base64'), sealed, created_at: madeAt })
    .execute()
}

/** Deletes one of the depot's own keys. Returns false if there is none. */
export async function deleteOwnKey(db: Db, id: string): Promise<boolean> {
  const deleted = await db.deleteFrom('depot_keys').where('id', '=', id).returning('id').execute()
  return deleted.length > 0
}

/** Lists the trusted keys of other depots by name. */
export async function listTrustedKeys(db: Db): Promise<TrustedKey[]> {
  const rows = await db
    .selectFrom('trusted_keys')
    .selectAll()
    .orderBy('name')
    .limit(MAX_TRUSTED_KEYS)
    .execute()
  return rows.map((row) => ({ name: row.name, key: keyOf(row), addedAt: row.created_at }))
}

export async function findTrustedKey(db: Db, name: string): Promise<TrustedKey | undefined> {
  const row = await db.selectFrom('trusted_keys').selectAll().where('name', '=', name).executeTakeFirst()
  return row && { name: row.name, key: keyOf(row), addedAt: row.created_at }
}

export async function insertTrustedKey(db: Db, { name, key, addedAt }: TrustedKey): Promise<void> {
  await db
    .insertInto('trusted_keys')
    .values({ name, id: key.id, public_key: key.raw.toString('base64'), created_at: addedAt })
    .execute()
}

export async function deleteTrustedKey(db: Db, name: string): Promise<void> {
  await db.deleteFrom('trusted_keys').where('name', '=', name).execute()
}

/** Lists the keys whose lockfiles this depot accepts: the newest of its own keys, and all trusted ones. */
export async function listLockfileKeys(db: Db): Promise<DepotKey[]> {
  return [...(await listOwnKeys(db)), ...(await listTrustedKeys(db))].map(({ key }) => key)
}

function keyOf(row: { public_key: string }): DepotKey {
  return publicDepotKey(Buffer.from(row.public_key, 'base64'))
}
