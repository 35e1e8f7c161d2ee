import { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import type { Db } from '../../../src/database/database.ts'
import { connectClient, openPool, openSnapshot } from '../../../src/database/postgres/connection.ts'
import { PostgresEngine } from '../../../src/database/postgres/engine.ts'
import { connectListener } from '../../../src/database/postgres/listener.ts'
import { setSavepoint, undoToSavepoint } from '../../../src/database/savepoints.ts'
import { startCuttableProxy } from '../../support/faults/cuttable-proxy.ts'
import { startCuttingProxy } from '../../support/faults/cutting-proxy.ts'
import { databaseSettings, dropTestDatabase, emptyDatabase } from '../../support/test-database.ts'
import { until } from '../../support/until.ts'

const TURN = 7

test('a writer that did not get its turn in time can try again', async (t) => {
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
  await sql`select 1`.execute(trx)
  const tooLate = await late.db.startTransaction().execute()
  await t.rejects(sql`select 1`.execute(tooLate), { message: /lock timeout/ })
  await tooLate.rollback().execute()
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

test('connections are closed also while the network carries nothing', async (t) => {
  const { DEPOT_DATABASE_URL: url = '' } = await databaseSettings('closing')
  t.teardown(() => dropTestDatabase('closing'))
  const proxy = await startCuttableProxy(t, Number(new URL(url).port))
  const through = Object.assign(new URL(url), { port: String(proxy.port), hostname: '127.0.0.1' }).href
  const server = { engine: 'postgres' as const, url: through, urlFile: undefined, listenUrl: undefined }
  const toProxy = () =>
    activeSockets().filter((socket) => socket.remotePort === proxy.port && !socket.destroyed)
  const pool = openPool(server, { name: 'reads', max: 1 })
  await sql`select 1`.execute(pool.db)
  const snapshot = openSnapshot(server, true)
  await sql`select 1`.execute(snapshot.db)
  const listener = await connectListener(server, {
    timeoutMs: 5_000,
    onNotification: () => undefined,
    onLost: () => undefined,
  })
  t.equal(toProxy().length, 3)
  proxy.cut()
  await Promise.race([
    Promise.all([pool.close(), snapshot.close(), listener.close()]),
    setTimeout(15_000, undefined, { ref: false }),
  ])
  await until('no connection keeps the process from ending', () => toProxy().length === 0)
})

/** The sockets that keep this process from ending. */
function activeSockets(): Socket[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles: () => unknown[] }
  return handles().filter((handle) => handle instanceof Socket)
}

async function put(trx: Db, name: string, value: string): Promise<void> {
  await trx
    .insertInto('depot_state')
    .values({ name: name as 'freezes', value })
    .execute()
}

test('writes of a transaction are sent together, and their errors come before or with the commit', async (t) => {
  const { DEPOT_DATABASE_URL: url = '' } = await databaseSettings('writes')
  t.teardown(() => dropTestDatabase('writes'))
  const proxy = await startCuttingProxy(t, url)
  const server = { engine: 'postgres' as const, url: proxy.url, urlFile: undefined, listenUrl: undefined }
  const { db, close } = openPool(server, { name: 'writer', max: 1, begin: 'begin; select 1' })
  t.teardown(close)
  const names = async () =>
    (
      await db.selectFrom('depot_state').select('name').where('value', '=', 'put').orderBy('name').execute()
    ).map(({ name }) => name)
  await put(db, 'z', 'put')

  const done = await db.startTransaction().execute()
  const before = proxy.messages
  for (const name of ['a', 'b', 'c']) await put(done, name, 'put')
  await done.commit().execute()
  t.equal(proxy.messages - before, 1, 'one message has the beginning, three writes and the commit')
  t.strictSame(await names(), ['a', 'b', 'c', 'z'])

  const failing = await db.startTransaction().execute()
  await put(failing, 'd', 'put')
  await put(failing, 'd', 'put')
  await put(failing, 'e', 'put')
  await t.rejects(failing.commit().execute(), { code: '23505' })
  await failing.rollback().execute()

  const reading = await db.startTransaction().execute()
  await put(reading, 'd', 'put')
  await put(reading, 'd', 'put')
  await t.rejects(reading.selectFrom('depot_state').select('name').execute(), { code: '23505' })
  await reading.rollback().execute()

  const refused = await db.startTransaction().execute()
  await t.rejects(put(refused, 'f', 'a\0b'), { code: 'invalid_request' }, 'what cannot be sent fails at once')
  await refused.rollback().execute()

  const partly = await db.startTransaction().execute()
  await put(partly, 'g', 'put')
  await setSavepoint(partly)
  await put(partly, 'g', 'put')
  await undoToSavepoint(partly)
  await partly.commit().execute()
  t.strictSame(await names(), ['a', 'b', 'c', 'g', 'z'], 'what was undone does not fail the commit')
})
