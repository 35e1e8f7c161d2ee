import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { openEngine } from '../../src/database/engine.ts'
import { FilesystemStorage } from '../../src/blobs/filesystem.ts'
import { sumRows } from '../../src/database/row-store.ts'
import type { TableSum } from '../../src/database/row-store.ts'
import { COPIED_TABLES, KEYS } from '../../src/database/copied-tables.ts'
import { ask } from '../support/ask.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { createFullOrigin, createTeam } from '../support/storage/full-origin.ts'
import { bearer, makeOrigin, promoteTo, publishAll } from '../support/origin.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { furnished, startDepot } from '../support/start-depot.ts'
import { databaseSettings, dropTestDatabase, isOnPostgres } from '../support/test-database.ts'

// With PostgreSQL, depots move from a server to a file, and from there to another database of the server.

const start = furnished(async (started) => {
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acmecorp')
  await makeOrigin(started)
  const harts = await publishAll(started, 'acme/app/1.0.0/20260101000000', 'acme/app/1.1.0/20260101000000')
  for (const hart of harts) await promoteTo(started, 'union', hart)
  return harts
})

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

interface Side {
  readonly folder: string
  readonly settings: Readonly<Record<string, string>>
  /** A file with the settings. */
  readonly file: string
}

async function sideIn(
  t: Teardown,
  folder: string,
  database: Readonly<Record<string, string>>,
): Promise<Side> {
  const file = join(await scratchFolder(t), 'depot.env')
  const settings = { DEPOT_DATA: folder, ...database }
  await writeFile(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  return { folder, settings, file }
}

/** An empty place to move to: a file, or with `onServer` a database of the server. */
async function target(t: Teardown, { onServer = false } = {}): Promise<Side> {
  const folder = join(await scratchFolder(t), 'data')
  if (onServer) t.teardown(() => dropTestDatabase(folder))
  const file = { DEPOT_DATABASE_URL: `sqlite:${join(folder, 'depot.sqlite')}` }
  return sideIn(t, folder, onServer ? await databaseSettings(folder) : file)
}

/** A closed depot with two releases, and everything that an origin can have. */
async function source(t: Teardown): Promise<Side & { harts: readonly BuiltHart[] }> {
  const { started, made } = await start(t)
  await started.close()
  return { ...(await sideIn(t, started.folder, await databaseSettings(started.folder))), harts: made }
}

const move = (from: Side, to: Side) => runHere(['move', '--from', from.file, '--to', to.file, '--json'])

async function sumsOf({ settings }: Side): Promise<readonly TableSum[]> {
  const snapshot = await (await openEngine(readConfig(settings).database)).openSnapshot()
  try {
    return await sumRows(snapshot.reader)
  } finally {
    await snapshot.close()
  }
}

test('the keys of all tables are those of the migrations', async (t) => {
  const { started } = await start(t)
  const tables = await started.depot.db.introspection.getTables()
  const ofServers = ['migrations', 'nodes'] // which belong to a database and its processes, not to the depot
  const names = tables
    .filter(({ isView, name }) => !isView && !ofServers.includes(name))
    .map(({ name }) => name)
  t.strictSame(names.toSorted(), COPIED_TABLES.toSorted())
  for (const table of COPIED_TABLES) {
    const columns = tables.find(({ name }) => name === table)?.columns.map(({ name }) => name)
    t.ok(
      KEYS[table].every((column) => columns?.includes(column)),
      table,
    )
  }
})

for (const onServer of isOnPostgres ? [false, true] : [false]) {
  test(`a depot moves to ${onServer ? 'a server' : 'a file'}, and goes on there`, async (t) => {
    const first = await source(t)
    const between = await target(t)
    if (onServer) t.match(await move(first, between), { code: 0 })
    const [from, to] = [onServer ? between : first, await target(t, { onServer })]
    const before = await sumsOf(from)
    const { code, stdout, stderr } = await move(from, to)
    t.equal(code, 0, stderr)
    const moved = JSON.parse(stdout) as { sequence: number; packages_copied: number; tables: TableSum[] }
    t.equal(moved.packages_copied, 2)
    t.strictSame(
      (await sumsOf(to)).filter(({ table }) => table !== 'depot_state'),
      before.filter(({ table }) => table !== 'depot_state'),
    )
    t.ok(moved.tables.filter(({ rows }) => rows > 0).length > 20, 'most tables have rows')

    const app = await startDepot(t, { folder: to.folder, listen: true, environment: to.settings })
    const latest = `${app.url}/v1/depot/channels/acme/union/pkgs/app/latest?target=x86_64-linux`
    t.match(JSON.parse((await ask(latest)).text), { ident: { version: '1.1.0' } })
    const [older] = from === first ? first.harts : []
    if (older !== undefined) t.equal((await promoteTo(app, 'delivered', older)).status, 200)
    const created = await ask(`${app.url}/v1/depot/origins`, {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/json' },
      body: '{"name":"later"}',
    })
    t.equal(created.status, 201, 'ids go on after those that were copied')
    await app.close()
    t.match(await runHere(['verify', '--bytes'], to.settings), { code: 0 })

    t.match(await runHere(['account', 'add', 'late'], from.settings), {
      code: 1,
      stderr: /accepts no changes: it was moved to /,
    })
    t.match(await move(from, to), { code: 3, stderr: /cannot be moved again: it was moved to .*--cancel/ })
    t.match(await runHere(['account', 'add', 'late'], from.settings), { code: 1 }, 'it still refuses')
    t.match(await runHere(['doctor'], from.settings), {
      stdout: /^wrong {2}changes: the depot accepts no changes: it was moved to .*--cancel/m,
    })
    t.match(await runHere(['move', '--from', from.file, '--cancel']), { code: 0 })
    t.match(await move(from, to), { code: 3, stderr: /has another depot, or one that was changed/ })
  })
}

for (const onServer of isOnPostgres ? [false, true] : [false]) {
  test(`a backup is restored into ${onServer ? 'a server' : 'a file'}`, async (t) => {
    const from = await source(t)
    const to = await target(t, { onServer })
    const folder = join(await scratchFolder(t), 'backups')
    const before = await sumsOf(from)
    t.match(await runHere(['backup', folder, '--with-secret-key'], from.settings), { code: 0 })
    t.match(await runHere(['restore', folder], to.settings), { code: 0 })
    t.match(await runHere(['verify', '--bytes'], to.settings), { code: 0 })
    const differing = (await sumsOf(to)).filter(({ hash }, index) => hash !== before[index]?.hash)
    t.strictSame(
      differing.map(({ table }) => table).toSorted(),
      ['depot_state', 'ledger'],
      'only the new history differs',
    )
    t.match(await runHere(['restore', folder], to.settings), {
      code: 3,
      stderr: /is the database of a depot/,
    })
  })
}

test('a move that fails leaves the depot as it was, and copies the rest when it is run again', async (t) => {
  const from = await source(t)
  const to = await target(t)
  const [app] = from.harts
  if (app === undefined) throw new Error('unreachable')
  const place = new FilesystemStorage(join(from.folder, 'blobs')).placeOf(app.checksum)
  const bytes = await readFile(place)
  await writeFile(place, Buffer.alloc(bytes.length))
  t.match(await move(from, to), { code: 3, stderr: /is of other bytes: hart-depot verify --repair/ })
  t.match(await runHere(['account', 'add', 'late'], from.settings), { code: 0 })
  await writeFile(place, bytes)
  const { code, stdout } = await move(from, to)
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { packages_copied: 1 })
  t.match(await runHere(['move', '--from', from.file, '--cancel']), {
    code: 0,
    stdout: 'The depot accepts changes again.\n',
  })
  t.match(await runHere(['account', 'add', 'later'], from.settings), { code: 0 })
})

test('the settings of both sides are checked first', async (t) => {
  const from = await source(t)
  const other = await source(t)
  await runHere(['account', 'add', 'someone'], other.settings)
  t.match(await move(from, from), { code: 1, stderr: /is in .* already: name another database/ })
  t.match(await move(from, other), { code: 3, stderr: /has another depot/ })
  t.match(await runHere(['move', '--from', from.file]), { code: 2, stderr: /move needs --to/ })
  t.match(await runHere(['move', '--cancel', '--to', from.file]), {
    code: 2,
    stderr: /--cancel takes no --to/,
  })
  await writeFile(other.file, 'DEPOT_WORKERS=none\n')
  t.match(await move(from, other), { code: 1, stderr: /depot\.env: .*DEPOT_WORKERS/ })
})

test('rows with long texts are read few at a time', async (t) => {
  const { depot } = await startDepot(t)
  const pagesOf = async () => {
    const pages: number[] = []
    await sumRows(depot.db, (rows) => pages.push(rows))
    return pages.length
  }
  const before = await pagesOf()
  const writing = await (await openEngine(depot.config.database)).openWriting()
  const trx = await writing.writable.startTransaction().execute()
  for (let id = 1; id <= 5; id += 1)
    await trx
      .insertInto('idempotency_keys')
      .values({
        account_id: 1,
        key: `key-${id}`,
        request_hash: '',
        outcome: 'x'.repeat(3 * 1024 * 1024),
        created_at: 1,
      })
      .execute()
  await trx.commit().execute()
  await writing.close()
  t.equal((await pagesOf()) - before, 3, 'two, two and one')
})
