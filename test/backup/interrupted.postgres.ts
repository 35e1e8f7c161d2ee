import { join } from 'node:path'
import { Client } from 'pg'
import { test } from 'tap'
import { backupScene } from '../support/copies/backups.ts'
import { callApi } from '../support/call-api.ts'
import { startCuttingProxy } from '../support/faults/cutting-proxy.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'
import { databaseSettings, dropTestDatabase } from '../support/test-database.ts'

test('a restore that dies after its rows were committed is run again, until somebody uses the database', async (t) => {
  const { to, run } = await backupScene(t)
  t.match(await run('backup', to), { code: 0 })
  const data = join(await scratchFolder(t), 'data')
  const settings = await databaseSettings(data)
  t.teardown(() => dropTestDatabase(data))
  const proxy = await startCuttingProxy(t, settings['DEPOT_DATABASE_URL'] ?? '')
  const restore = (url = settings['DEPOT_DATABASE_URL'] ?? '') =>
    runHere(['restore', to], { ...settings, DEPOT_DATA: data, DEPOT_DATABASE_URL: url })

  const statement = '\0commit\0'
  proxy.cutNext(statement, 'before')
  t.not((await restore(proxy.url)).code, 0)
  proxy.cutNext(statement, 'after')
  t.not((await restore(proxy.url)).code, 0)
  proxy.cutNext(statement, 'after')
  t.not((await restore(proxy.url)).code, 0, 'again')
  t.equal(proxy.cuts, 3)
  t.match(await restore(), { code: 0 })
  t.match(await restore(), { code: 3, stderr: /is the database of a depot/ }, 'it is complete')

  const depot = await startDepot(t, { folder: data, listen: true, environment: settings })
  t.match(await callApi(depot, 'GET', '/api/v1/ledger'), { status: 200 })
  await depot.close()
  t.match(await runHere(['verify', '--bytes'], { ...settings, DEPOT_DATA: data }), { code: 0, stderr: '' })
})

test('a restore that was interrupted does not replace what was written since', async (t) => {
  const { to, run } = await backupScene(t)
  t.match(await run('backup', to), { code: 0 })
  const [data, other] = [join(await scratchFolder(t), 'data'), await scratchFolder(t)]
  const settings = await databaseSettings(data)
  t.teardown(() => dropTestDatabase(data))
  const proxy = await startCuttingProxy(t, settings['DEPOT_DATABASE_URL'] ?? '')
  const restoring = { ...settings, DEPOT_DATA: data }
  proxy.cutNext('\0commit\0', 'after')
  t.not((await runHere(['restore', to], { ...restoring, DEPOT_DATABASE_URL: proxy.url })).code, 0)
  t.match(await runHere(['account', 'add', 'late'], { ...settings, DEPOT_DATA: other }), { code: 0 })
  t.match(await runHere(['restore', to], restoring), { code: 3, stderr: /is the database of a depot/ })
})

test('a database that a newer version has migrated is not backed up, even if a depot could start on it', async (t) => {
  const { started, to, run } = await backupScene(t)
  const { database } = started.depot.config
  const client = new Client({
    connectionString: database.engine === 'postgres' ? database.url : undefined,
  })
  await client.connect()
  await client.query(`insert into migrations (number, name, checksum, applied_at, is_additive)
    values (9999, '9999-later.sql', 'of a later version', 0, true)`)
  await client.end()
  t.match(await run('backup', to), { code: 1, stderr: /newer hart-depot/ })
})
