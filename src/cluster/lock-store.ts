import { sql } from 'kysely'
import type { Db } from '../database/database.ts'

/** Reports whether a session on this database has the advisory lock with a number of at most 32 bits. */
export async function isLocked(db: Db, number: number): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_locks
    where locktype = 'advisory' and classid = 0 and objid = ${number} and objsubid = 1 and granted
      and database = (select oid from pg_database where datname = current_database())`.execute(db)
  return rows.length > 0
}
