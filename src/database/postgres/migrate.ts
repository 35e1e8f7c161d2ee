import type { Client } from 'pg'
import { pendingAmong } from '../migrations.ts'
import type { AppliedMigration, Migration } from '../migrations.ts'
import { MIGRATING } from './connection.ts'

/**
 * Applies the missing migrations in one transaction. Nodes that start at the same time wait for the first
 * one. Throws like {@link pendingAmong}. `at` is the present time in epoch milliseconds.
 */
export async function migrate(client: Client, migrations: readonly Migration[], at: number): Promise<void> {
  if ((await findPending(client, migrations)).length === 0) return
  await client.query('begin')
  try {
    await client.query(`select pg_advisory_xact_lock(${MIGRATING})`)
    const pending = await findPending(client, migrations) // what others have not done meanwhile
    await client.query(`create table if not exists migrations (
      number bigint primary key, name text not null, checksum text not null, applied_at bigint not null)`)
    for (const { name, sql, checksum } of pending) {
      await runSql(client, name, sql)
      await client.query('insert into migrations values ($1, $2, $3, $4)', [
        Number(name.slice(0, 4)),
        name,
        checksum,
        at,
      ])
    }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

async function runSql(client: Client, name: string, sql: string): Promise<void> {
  try {
    await client.query(sql)
  } catch (error) {
    if (error instanceof Error)
      error.message = `the migration ${name} failed: ${error.message}. The database is as it was`
    throw error
  }
}

/** Returns the migrations that the database lacks. Throws like {@link pendingAmong}. */
export async function findPending(
  client: Client,
  migrations: readonly Migration[],
): Promise<readonly Migration[]> {
  const { rows: tables } = await client.query(`select 1 where to_regclass('migrations') is not null`)
  if (tables.length === 0) return migrations
  const { rows } = await client.query<AppliedMigration>(
    'select name, checksum from migrations order by number',
  )
  return pendingAmong(rows, migrations)
}
