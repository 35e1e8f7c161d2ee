import { sql } from 'kysely'
import type { Db } from '../database.ts'
import { WRITERS_TURN } from './connection.ts'

/** See {@link Engine.load}. `db` must have one connection, in no transaction. */
export async function loadRows<T>(db: Db, act: (db: Db) => Promise<T>): Promise<T> {
  const trx = await db.startTransaction().execute()
  try {
    await sql`select pg_advisory_xact_lock(${sql.lit(WRITERS_TURN)})`.execute(trx)
    const keys = await takeForeignKeys(trx)
    const tables = await listTables(trx)
    for (const table of tables) await sql`alter table ${sql.id(table)} disable trigger user`.execute(trx)
    const result = await act(trx)
    // Without statistics of the rows, what reads them next would be planned as for empty tables.
    await sql`analyze ${sql.join(tables.map((table) => sql.id(table)))}`.execute(trx)
    for (const table of tables) await sql`alter table ${sql.id(table)} enable trigger user`.execute(trx)
    for (const { table, name, definition } of keys)
      await sql`alter table ${sql.id(table)} add constraint ${sql.id(name)} ${sql.raw(definition)}`.execute(
        trx,
      )
    await continueIdentities(trx)
    await trx.commit().execute()
    return result
  } catch (error) {
    await trx
      .rollback()
      .execute()
      .catch(() => undefined) // the connection may be lost
    throw error
  }
}

interface ForeignKey {
  readonly table: string
  readonly name: string
  /** As `add constraint` takes it. */
  readonly definition: string
}

/** Removes all foreign keys and returns them. Adding one again checks all rows at once. */
async function takeForeignKeys(db: Db): Promise<readonly ForeignKey[]> {
  const { rows } = await sql<ForeignKey>`
    select conrelid::regclass::text as "table", conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'f' and connamespace = current_schema()::regnamespace`.execute(db)
  for (const { table, name } of rows)
    await sql`alter table ${sql.id(table)} drop constraint ${sql.id(name)}`.execute(db)
  return rows
}

async function listTables(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = current_schema()`.execute(db)
  return rows.map(({ name }) => name)
}

/** Makes the ids that tables generate continue after the highest ones. */
async function continueIdentities(db: Db): Promise<void> {
  const { rows } = await sql<{ table: string; column: string }>`
    select table_name as "table", column_name as "column"
    from information_schema.columns where is_identity = 'YES' and table_schema = current_schema()`.execute(db)
  for (const { table, column } of rows)
    await sql`
      select setval(pg_get_serial_sequence(${table}, ${column}), coalesce(max(${sql.ref(column)}), 0) + 1, false)
      from ${sql.table(table)}`.execute(db)
}
