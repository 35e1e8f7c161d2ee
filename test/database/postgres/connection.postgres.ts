import { sql } from 'kysely'
import { test } from 'tap'
import { connectClient, openPool } from '../../../src/database/postgres/connection.ts'
import { PostgresEngine } from '../../../src/database/postgres/engine.ts'
import { databaseSettings, dropTestDatabase, emptyDatabase } from '../../support/test-database.ts'

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

test('migrations and loads are not bound to a limit for statements that the role has', async (t) => {
  const location = await emptyDatabase(t)
  const { pathname } = new URL(location.url ?? '')
  const server = { ...location, url: location.url ?? '' }
  const client = await connectClient(server, { name: 'migration', max: 1 })
  await client.query(`alter database ${pathname.slice(1)} set statement_timeout = 5`)
  await client.end()
  const engine = new PostgresEngine(server)
  await engine.migrate(0)
  await engine.load(async (db) => sql`select pg_sleep(0.05)`.execute(db))
  t.strictSame(await engine.pendingMigrations(), [])
})
