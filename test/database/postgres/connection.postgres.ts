import { sql } from 'kysely'
import { test } from 'tap'
import { openPool } from '../../../src/database/postgres/connection.ts'
import { databaseSettings, dropTestDatabase } from '../../support/test-database.ts'

const TURN = 7

test('a writer that did not get its turn in time tries again with another connection', async (t) => {
  const { DEPOT_DATABASE_URL: url = '' } = await databaseSettings('turns')
  t.teardown(() => dropTestDatabase('turns'))
  const server = { engine: 'postgres' as const, url, urlFile: undefined, listenUrl: undefined }
  const begin = `begin; set local lock_timeout = 1; select pg_advisory_xact_lock(${TURN})`
  const [held, late] = [1, 2].map(() => openPool(server, { name: 'writer', max: 1, begin }))
  if (held === undefined || late === undefined) throw new Error('unreachable')
  t.teardown(async () => {
    await held.close()
    await late.close()
  })
  const trx = await held.db.startTransaction().execute()
  await t.rejects(late.db.startTransaction().execute(), { message: /lock timeout/ })
  await trx.rollback().execute()
  const again = await late.db.startTransaction().execute()
  t.strictSame((await sql<{ one: number }>`select 1 as one`.execute(again)).rows, [{ one: 1 }])
  await again.rollback().execute()
})
