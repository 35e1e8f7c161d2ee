import { sql } from 'kysely'
import type { Db } from '../database/database.ts'
import { KEY_ID_LENGTH } from './secret-box.ts'

/** Lists the ids of all keys that encrypt stored secrets, in any table. */
export async function listSealingKeys(db: Db): Promise<string[]> {
  const keys = db
    .selectFrom('origin_keys')
    .select(keyOf('body'))
    .where('kind', 'in', ['secret', 'box_secret'])
  const all = keys
    .union(db.selectFrom('origin_secrets').select(keyOf('value')))
    .union(db.selectFrom('integrations').select(keyOf('body')))
    .union(db.selectFrom('depot_keys').select(keyOf('sealed')))
    .union(db.selectFrom('webhooks').select(keyOf('url')))
    .union(db.selectFrom('webhooks').select(keyOf('secret')))
    .union(
      db.selectFrom('webhooks').select(keyOf('previous_secret')).where('previous_secret', 'is not', null),
    )
  const rows = await all.execute()
  return rows.map(({ key }) => key)
}

/** Returns an SQL expression for the id of the key, with which a ciphertext begins. */
function keyOf(column: string) {
  return sql<string>`substr(${sql.ref(column)}, 1, ${sql.lit(KEY_ID_LENGTH)})`.as('key')
}
