import type { Client } from 'pg'
import { pendingAmong } from '../migrations.ts'
import type { Migration } from '../migrations.ts'
import { MIGRATING } from './connection.ts'

/**
 * Applies the missing migrations in one transaction. Nodes that start at the same time wait for the first
 * one. Does nothing if a later version added only additive migrations, so that a node of this version can
 * start during an upgrade. Otherwise throws like {@link pendingAmong}. `at` is the present time in epoch
 * milliseconds.
 */
export async function migrate(client: Client, migrations: readonly Migration[], at: number): Promise<void> {
  const findMissing = async () => {
    const applied = await readApplied(client)
    const known = applied.slice(0, migrations.length)
    const isUsable = applied.slice(migrations.length).every(({ isAdditive }) => isAdditive)
    return pendingAmong(isUsable ? known : applied, migrations)
  }
  if ((await findMissing()).length === 0) return
  await client.query('begin')
  try {
    await client.query(`select pg_advisory_xact_lock(${MIGRATING})`)
    await client.query(`create table if not exists migrations (
      number bigint primary key, name text not null, checksum text not null, applied_at bigint not null)`)
    await client.query(
      'alter table migrations add column if not exists is_additive boolean not null default false',
    )
    // Another node may have applied some meanwhile. The statements above make this connection forget that it
    // saw no tables; the advisory lock does not.
    const pending = await findMissing()
    for (const { name, sql, checksum, isAdditive } of pending) {
      await runSql(client, name, sql)
      await client.query(
        'insert into migrations (number, name, checksum, applied_at, is_additive) values ($1, $2, $3, $4, $5)',
        [Number(name.slice(0, 4)), name, checksum, at, isAdditive],
      )
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
  return pendingAmong(await readApplied(client), migrations)
}

async function readApplied(client: Client): Promise<Pick<Migration, 'name' | 'checksum' | 'isAdditive'>[]> {
  const { rows: tables } = await client.query(`select 1 where to_regclass('migrations') is not null`)
  if (tables.length === 0) return []
  const { rows } = await client.query<Pick<Migration, 'name' | 'checksum' | 'isAdditive'>>(
    // Databases that were last migrated by an earlier version do not have the column.
    `select name, checksum, coalesce((to_jsonb(migrations) ->> 'is_additive')::boolean, false) as "isAdditive"
    from migrations order by number`,
  )
  return rows
}
