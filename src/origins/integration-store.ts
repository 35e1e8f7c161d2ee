import type { Db } from '../database/database.ts'

/** The name of an integration with an external service. The depot stores integrations and never uses them. */
export interface IntegrationName {
  readonly type: string
  readonly name: string
}

/** Lists the integrations of an origin by type and name. */
export async function listIntegrations(db: Db, originId: number): Promise<IntegrationName[]> {
  return db
    .selectFrom('integrations')
    .select(['type', 'name'])
    .where('origin_id', '=', originId)
    .orderBy('type')
    .orderBy('name')
    .execute()
}

/** Finds the encrypted body of an integration. */
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

/** Stores an integration. Returns false if it exists already. */
export async function insertIntegration(
  db: Db,
  integration: IntegrationName & { originId: number; sealed: string; at: number },
): Promise<boolean> {
  const { originId, type, name, sealed, at } = integration
  const inserted = await db
    .insertInto('integrations')
    .values({ origin_id: originId, type, name, body: sealed, created_at: at })
    .onConflict((conflict) => conflict.columns(['origin_id', 'type', 'name']).doNothing())
    .returning('name')
    .execute()
  return inserted.length === 1
}

/** Deletes an integration. Returns false if there is none. */
export async function deleteIntegration(
  db: Db,
  originId: number,
  { type, name }: IntegrationName,
): Promise<boolean> {
  const deleted = await db
    .deleteFrom('integrations')
    .where('origin_id', '=', originId)
    .where('type', '=', type)
    .where('name', '=', name)
    .returning('name')
    .execute()
  return deleted.length > 0
}
