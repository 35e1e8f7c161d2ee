import { sql } from 'kysely'
import { test } from 'tap'
import { openPool } from '../../src/database/postgres/connection.ts'
import { emptyDatabase } from '../support/test-database.ts'

test('a statement that waits too long for a connection is refused as overloaded, not as a lost database', async (t) => {
  const location = await emptyDatabase(t)
  const server = { ...location, url: location.url ?? '' }
  const { db, close } = openPool(server, { name: 'reads', max: 1, waitMs: 50 })
  const one = sql<{ one: number }>`select 1 as one`
  await db.connection().execute(async (busy) => {
    await one.execute(busy)
    await t.rejects(one.execute(db), { code: 'overloaded', retryAfterSeconds: 5 })
  })
  t.strictSame((await one.execute(db)).rows, [{ one: 1 }])
  await close()
})
