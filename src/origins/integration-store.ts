import type { Db } from '../database/database.ts'

/** How an origin reaches a service of others: kept, and never used by the depot itself. */
export interface IntegrationName {
  readonly type: string
  readonly name: string
}

/** By type and name. */
export async function listIntegrations(db: Db, originId: number): Promise<IntegrationName[]> {
  return db
    .selectFrom('integrations')
    .select(['type', 'name'])
    .where('origin_id', '=', originId)
    .orderBy('type')
    .orderBy('name')
    .execute()
}

/** The encrypted body. */
export async function findIntegration(
  db: Db,
  originId: number,
  { type, name }: IntegrationName,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('integrations')
    .select('body')
    .where('origin_id', '=', originId)
    .where('type', '=', type)
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.body
}

/** Whether it is new: one that is there stays as it is. */
export async function insertIntegration(
  db: Db,
  integration: IntegrationName & { originId: number; sealed: string; at: number },
): Promise<boolean> {
  const { originId, type, name, sealed, at } = integration
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('integrations')
    .values({ origin_id: originId, type, name, body: sealed, created_at: at })
    .onConflict((conflict) => conflict.columns(['origin_id', 'type', 'name']).doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}

/** Whether it was there. */
export async function deleteIntegration(
  db: Db,
  originId: number,
  { type, name }: IntegrationName,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('integrations')
    .where('origin_id', '=', originId)
    .where('type', '=', type)
    .where('name', '=', name)
    .executeTakeFirst()
  return numDeletedRows > 0n
}
