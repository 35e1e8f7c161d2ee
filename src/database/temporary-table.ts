import { sql } from 'kysely'
import type { Db } from './database.ts'
import { columnType } from './engine-sql.ts'

/**
 * Creates a table that only this connection sees, and only until it is closed. `key` names the columns of its
 * primary key.
 */
export async function createTemporaryTable(
  db: Db,
  table: string,
  columns: Readonly<Record<string, 'text' | 'number'>>,
  key: readonly string[] = [],
): Promise<void> {
  const parts = Object.entries(columns).map(([name, type]) => sql`${sql.ref(name)} ${columnType(type)}`)
  if (key.length > 0) parts.push(sql`primary key (${sql.join(key.map((name) => sql.ref(name)))})`)
  await sql`create temporary table ${sql.table(table)} (${sql.join(parts)})`.execute(db)
}
