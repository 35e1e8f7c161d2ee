import BetterSqlite3 from 'better-sqlite3'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { isDiskFull } from '../../src/database/errors.ts'
import { SqliteEngine } from '../../src/database/sqlite/engine.ts'
import { lockData } from '../../src/database/sqlite/lock.ts'
import { readMigrations } from '../../src/database/migrations.ts'
import { migrate } from '../../src/database/sqlite/migrate.ts'
import type { Migration } from '../../src/database/migrations.ts'

const FOLDER = new URL('../../migrations/sqlite', import.meta.url).pathname

async function scratch(t: { teardown(fn: () => Promise<void>): unknown }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-database-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'depot.sqlite')
}

const migration = (name: string, sql: string, checksum = sql): Migration => ({
  name,
  sql,
  checksum,
  isAdditive: false,
})
const ONE = migration('0001-one.sql', 'CREATE TABLE one (id INTEGER PRIMARY KEY) STRICT')
const TWO = migration('0002-two.sql', 'CREATE TABLE two (id INTEGER PRIMARY KEY) STRICT')
const coded = (code: string) => Object.assign(new Error(code), { code })
const tables = (connection: BetterSqlite3.Database) =>
  connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all()

test('a database is durable at every commit, and checks its foreign keys', async (t) => {
  const file = await scratch(t)
  const database = await new SqliteEngine(file).open(1_000)
  t.teardown(async () => database.close())
  const inspector = new BetterSqlite3(file)
  t.teardown(async () => void inspector.close())
  t.equal(inspector.pragma('journal_mode', { simple: true }), 'wal')
  await t.rejects(
    database.writable
      .insertInto('tokens')
      .values({
        account_id: 9,
        hash: 'h',
        label: 'l',
        scope: null,
        created_at: 1,
        expires_at: null,
        revoked_at: null,
      })
      .execute(),
    /FOREIGN KEY/,
  )
})

test('the reader reads committed rows and cannot write', async (t) => {
  const database = await new SqliteEngine(await scratch(t)).open(1_000)
  t.teardown(async () => database.close())
  const account = { name: 'a', email: null, is_administrator: 0, created_at: 1, updated_at: 1 }
  await database.writable.insertInto('accounts').values(account).execute()
  t.equal((await database.reader.selectFrom('accounts').selectAll().execute()).length, 1)
  await t.rejects(
    database.reader
      .insertInto('accounts')
      .values({ ...account, name: 'b' })
      .execute(),
    /readonly/,
  )
})

test('a database written by another process can be read, and an absent one is not created', async (t) => {
  const file = await scratch(t)
  await t.rejects(new SqliteEngine(file).openReader())
  const database = await new SqliteEngine(file).open(1_000)
  const look = await new SqliteEngine(file).openReader()
  t.teardown(async () => {
    await look.close()
    await database.close()
  })
  t.strictSame(await look.reader.selectFrom('views').selectAll().execute(), [])
})

test('migrations are numbered without gaps, and their tables are strict', async (t) => {
  const migrations = readMigrations(FOLDER)
  t.strictSame(
    migrations.map(({ name }) => Number(name.slice(0, 4))),
    migrations.map((_, index) => index + 1),
  )
  const connection = new BetterSqlite3(':memory:')
  migrate(connection, migrations, 1_000)
  const loose = connection
    .prepare(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
    )
    .pluck()
    .all()
  t.strictSame(loose, [])
  connection.close()
})

test('migrate applies each new migration once', async (t) => {
  const connection = new BetterSqlite3(':memory:')
  migrate(connection, [ONE], 1_000)
  migrate(connection, [ONE, TWO], 2_000)
  migrate(connection, [ONE, TWO], 3_000)
  t.strictSame(tables(connection), ['migrations', 'one', 'two'])
  t.strictSame(connection.prepare('SELECT number, applied_at FROM migrations').raw().all(), [
    [1, 1_000],
    [2, 2_000],
  ])
})

test('a failed upgrade leaves the database as it was', async (t) => {
  const connection = new BetterSqlite3(':memory:')
  const broken = migration(
    '0003-broken.sql',
    'CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT; INSERT INTO nowhere VALUES (1)',
  )
  migrate(connection, [ONE], 1_000)
  t.throws(() => migrate(connection, [ONE, TWO, broken], 1_000), /no such table: nowhere/)
  t.strictSame(tables(connection), ['migrations', 'one'])
  migrate(connection, [ONE, TWO], 1_000)
  t.strictSame(tables(connection), ['migrations', 'one', 'two'])
})

test('a migration that was changed after it was applied is refused by name', async (t) => {
  const connection = new BetterSqlite3(':memory:')
  migrate(connection, [ONE], 1_000)
  t.throws(() => migrate(connection, [{ ...ONE, checksum: 'other' }], 1_000), /0001-one\.sql was changed/)
})

test('a database of a newer version is refused', async (t) => {
  const connection = new BetterSqlite3(':memory:')
  migrate(connection, [ONE, TWO], 1_000)
  t.throws(() => migrate(connection, [ONE], 1_000), /newer hart-depot: it has 0002-two\.sql/)
})

test('a data folder is locked by one process, and free again after release', async (t) => {
  const file = await scratch(t)
  const lock = lockData(file)
  t.throws(() => lockData(file), { code: 'data_in_use' })
  lock.close()
  lockData(file).close()
})

test('only a lack of space counts as a full disk', async (t) => {
  for (const code of ['SQLITE_FULL', 'ENOSPC', 'EDQUOT']) t.ok(isDiskFull(coded(code)), code)
  for (const error of [coded('SQLITE_BUSY'), coded('EIO'), new Error('full'), 'ENOSPC', undefined])
    t.notOk(isDiskFull(error))
})

const namesIn = (engine: string, first: number) =>
  readMigrations(join(import.meta.dirname, '../../migrations', engine), first).map(({ name }) => name)

test('both folders of migrations have the same numbers and names', async (t) => {
  // The first one for PostgreSQL stands for those of SQLite up to its number.
  const [, ...later] = namesIn('postgres', 35)
  t.strictSame(later, namesIn('sqlite', 1).slice(35))
})
