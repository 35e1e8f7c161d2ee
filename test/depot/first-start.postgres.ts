import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { findTokenByHash } from '../../src/accounts/account-store.ts'
import { hashToken } from '../../src/accounts/token.ts'
import { readConfig } from '../../src/config/config.ts'
import { openEngine } from '../../src/database/engine.ts'
import { MIGRATING, WRITERS_TURN, connectClient } from '../../src/database/postgres/connection.ts'
import { migrate } from '../../src/database/postgres/migrate.ts'
import { openDepot } from '../../src/depot/open.ts'
import { openLogTo } from '../../src/log.ts'
import { runCommand } from '../support/command.ts'
import { emptyDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const ignore = () => undefined
const CLIENT = { name: 'migration', max: 1 } as const

test('of two nodes that start on an empty database, one makes the token of the administrator', async (t) => {
  const { url = '' } = await emptyDatabase(t)
  const open = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
    t.teardown(async () => rm(folder, { recursive: true }))
    const config = readConfig({
      DEPOT_DATA: folder,
      DEPOT_DATABASE_URL: url,
      DEPOT_SECRET_KEY: 'a'.repeat(64),
    })
    return openDepot(config, { log: openLogTo('silent', { write: () => undefined }), inProcess: true })
  }
  const engine = await openEngine({ engine: 'postgres', url, urlFile: undefined, listenUrl: undefined })
  const turn = await engine.listen?.({ timeoutMs: 5_000, onNotification: ignore, onLost: ignore })
  if (turn === undefined) throw new Error('unreachable')
  await turn.query('select pg_advisory_lock($1)', [WRITERS_TURN])
  const opening = Promise.all([open(), open()])
  await until('both have found no depot', async () => {
    const waiting = await turn.query(
      `select 1 from pg_locks where objid = $1 and not granted
         and database = (select oid from pg_database where datname = current_database())`,
      [WRITERS_TURN],
    )
    return waiting.length === 2
  })
  await turn.close()
  const depots = await opening
  const tokens = depots.map(({ newAdminToken }) => newAdminToken).filter((token) => token !== undefined)
  t.equal(tokens.length, 1)
  const [depot] = depots
  t.match(depot && (await findTokenByHash(depot.db, hashToken(tokens[0] ?? ''))), { revokedAt: undefined })
  for (const each of depots) await each.close()
})

test('of two nodes that migrate an empty database, the second one sees what the first one made', async (t) => {
  const { url = '' } = await emptyDatabase(t)
  const server = { engine: 'postgres', url, urlFile: undefined, listenUrl: undefined } as const
  const engine = await openEngine(server)
  const turn = await engine.listen?.({ timeoutMs: 5_000, onNotification: ignore, onLost: ignore })
  if (turn === undefined) throw new Error('unreachable')
  await turn.query('select pg_advisory_lock($1)', [MIGRATING])
  // A small migration. A large one makes the server send its changes to the caches of all connections.
  const migrations = [{ name: '0035-a.sql', sql: 'create table a (n int)', checksum: '', isAdditive: false }]
  const clients = [await connectClient(server, CLIENT), await connectClient(server, CLIENT)]
  const migrating = Promise.allSettled(clients.map((client) => migrate(client, migrations, 0)))
  await until('both have found no tables', async () => {
    const waiting = await turn.query(
      `select 1 from pg_locks where objid = $1 and not granted
         and database = (select oid from pg_database where datname = current_database())`,
      [MIGRATING],
    )
    return waiting.length === 2
  })
  await turn.close()
  t.match(await migrating, [{ status: 'fulfilled' }, { status: 'fulfilled' }])
  for (const client of clients) await client.end()
})

test('on an empty database, migrate --check and other commands change nothing, and say so', async (t) => {
  const { url = '' } = await emptyDatabase(t)
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(async () => rm(folder, { recursive: true }))
  const env = { DEPOT_DATA: folder, DEPOT_DATABASE_URL: url, DEPOT_SECRET_KEY: 'a'.repeat(64) }
  const checked = { code: 0, stdout: /would take these steps:[^]*not tried[^]*Nothing was changed\.\n$/ }
  t.match(await runCommand(['migrate', '--check'], { env }), checked)
  t.match(await runCommand(['migrate', '--check'], { env }), checked, 'again')
  t.match(await runCommand(['token', 'list'], { env }), { code: 1, stderr: /has no tables yet/ })
  t.match(await runCommand(['migrate'], { env }), { code: 0, stdout: /^upgraded the database/ })
  t.match(await runCommand(['migrate', '--check'], { env }), { code: 0, stdout: /nothing to upgrade/ })
})
