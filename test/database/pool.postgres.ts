import { sql } from 'kysely'
import { test } from 'tap'
import { openPool } from '../../src/database/postgres/connection.ts'
import { PostgresEngine } from '../../src/database/postgres/engine.ts'
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

test('look-ups do not wait until long reads have ended', async (t) => {
  const location = await emptyDatabase(t)
  const reads = new PostgresEngine({ ...location, url: location.url ?? '' }).openReads()
  const one = sql<{ one: number }>`select 1 as one`
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const long = Array.from({ length: 4 }, () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const held = reads
      .db()
      .connection()
      .execute(async () => {
        begin()
        await ended
      })
    return { begun, held }
  })
  await Promise.all(long.map(({ begun }) => begun))
  let isLate = true
  const late = one.execute(reads.db()).finally(() => (isLate = false))
  t.strictSame((await one.execute(reads.promptDb())).rows, [{ one: 1 }])
  t.equal(isLate, true, 'further reads wait')
  end()
  await Promise.all([late, ...long.map(({ held }) => held)])
  await reads.close()
})
