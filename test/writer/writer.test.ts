import BetterSqlite3 from 'better-sqlite3'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kysely } from 'kysely'
import { test } from 'tap'
import { listAccounts } from '../../src/accounts/account-store.ts'
import { SqliteEngine } from '../../src/database/sqlite/engine.ts'
import { StablePlanDialect } from '../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../src/database/schema.ts'
import { findState } from '../../src/database/state-store.ts'
import type { LedgerEntry } from '../../src/ledger/entry.ts'
import { openFailingCommits } from '../support/faults/failing-commits.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { Writer } from '../../src/writer/writer.ts'
import type { CommitStats } from '../../src/writer/writer.ts'

const actor = { client: 'tests', door: 'cli' } as const
const adding = (name: string) => ({ kind: 'addAccount', input: { name }, actor }) as const

/** Opens a writer on a new database. The connection is returned so that tests can make it fail. */
async function openWriter(
  t: { teardown(fn: () => Promise<void>): unknown },
  now: () => number = () => 1_000,
  elapsed: () => number = () => 0,
) {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-writer-'))
  const file = join(folder, 'depot.sqlite')
  const database = await new SqliteEngine(file).open(0)
  const { reader } = database
  const statements: string[] = []
  const connection = new BetterSqlite3(file, { verbose: (sql) => statements.push(String(sql)) })
  connection.pragma('foreign_keys = ON')
  const writer = await Writer.open(
    new Kysely<Schema>({ dialect: new StablePlanDialect(connection) }),
    commandTable,
    {
      now,
      elapsed,
    },
  )
  const heard: { entries: readonly LedgerEntry[]; commit: CommitStats }[] = []
  writer.onAnnouncement(({ entries }, commit) => void (commit && heard.push({ entries, commit })))
  t.teardown(async () => {
    await writer.close()
    connection.close()
    await database.close()
    await rm(folder, { recursive: true })
  })
  return {
    writer,
    connection,
    statements,
    reader,
    heard,
    names: async () => (await listAccounts(reader)).map(({ name }) => name),
  }
}

/** Lets each commit fail that adds an account of this name. */
function breakCommitsWith(connection: BetterSqlite3.Database, name: string): void {
  // This constraint is checked at the end of the transaction.
  connection.exec(
    'CREATE TABLE broken (account INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED)',
  )
  connection.exec(
    `CREATE TRIGGER break_it AFTER INSERT ON accounts WHEN NEW.name = '${name}' BEGIN INSERT INTO broken VALUES (77); END`,
  )
}

test('commands that wait together are committed together', async (t) => {
  const { writer, heard, names } = await openWriter(t)
  await Promise.all(['a', 'b', 'c'].map((name) => writer.submit(adding(name))))
  t.match(heard, [{ entries: [{ sequence: 1 }, { sequence: 2 }, { sequence: 3 }], commit: { commands: 3 } }])
  t.equal(heard.length, 1)
  t.strictSame(await names(), ['a', 'b', 'c'])
})

test('a batch has a limit, and the rest forms the next one', async (t) => {
  const { writer, heard } = await openWriter(t)
  await Promise.all(Array.from({ length: 100 }, (_, index) => writer.submit(adding(`account-${index}`))))
  t.strictSame(
    heard.map(({ commit }) => commit.commands),
    [64, 36],
  )
})

test('a batch ends after a tenth of a second of work', async (t) => {
  let time = 0
  const { writer, heard, names } = await openWriter(t, undefined, () => (time += 40)) // read before each command but the first
  await Promise.all(Array.from({ length: 7 }, (_, index) => writer.submit(adding(`account-${index}`))))
  t.strictSame(
    heard.map(({ commit }) => commit.commands),
    [3, 3, 1],
  )
  t.equal((await names()).length, 7)
})

test('a failing command leaves nothing and harms no other of its batch', async (t) => {
  const { writer, heard, names } = await openWriter(t)
  const outcomes = await Promise.allSettled([
    writer.submit(adding('a')),
    writer.submit(adding('a')),
    writer.submit(adding('b')),
  ])
  t.match(outcomes, [
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'already_exists' } },
    { status: 'fulfilled' },
  ])
  t.strictSame(await names(), ['a', 'b'])
  t.strictSame(
    heard.flatMap(({ entries }) => entries.map(({ sequence }) => sequence)),
    [1, 2],
    'a failed command leaves no gap',
  )
})

test('commands have savepoints only if one of their batch fails', async (t) => {
  const { writer, statements } = await openWriter(t)
  const savepoints = () => statements.splice(0).filter((sql) => sql === 'savepoint command').length
  await Promise.all([writer.submit(adding('a')), writer.submit(adding('b'))])
  t.equal(savepoints(), 0)
  await t.rejects(writer.submit(adding('a')), { code: 'already_exists' }, 'alone')
  t.equal(savepoints(), 0)
  await Promise.allSettled(['c', 'a', 'd'].map((name) => writer.submit(adding(name))))
  t.equal(savepoints(), 3)
})

for (const others of [[], ['other']]) {
  const place = others.length === 0 ? 'alone in its transaction' : 'among others'
  test(`a command that fails after writing is undone, with its ledger entries, ${place}`, async (t) => {
    const { writer, heard, reader } = await openWriter(t)
    const key = { origin: 'acme', revision: '20260101000000', ownerId: 1 }
    await writer.submit(adding('owner'))
    await writer.submit({ kind: 'createOrigin', input: { name: 'acme', ownerId: 1 }, actor })
    await writer.submit({ kind: 'addKey', input: { ...key, secretBody: 'sealed' }, actor })
    const added = others.map((name) => writer.submit(adding(name)))
    // The command stores and records the public half, and then finds that the other one exists.
    await t.rejects(
      writer.submit({ kind: 'addKey', input: { ...key, publicBody: 'public', secretBody: 'sealed' }, actor }),
      { code: 'already_exists' },
    )
    await Promise.all([...added, writer.submit(adding('next'))])
    t.strictSame(
      heard.flatMap(({ entries }) => entries.map(({ sequence }) => sequence)),
      [1, 2, 3, 4, ...others.map(() => 5)],
    )
    t.strictSame(
      (await reader.selectFrom('origin_keys').select('kind').execute()).map(({ kind }) => kind),
      ['secret'],
    )
  })
}

test('the depot remembers that the clock was set back even if the command that noticed it fails', async (t) => {
  let now = 10_000_000
  const { writer, reader } = await openWriter(t, () => now)
  await writer.submit(adding('a'))
  now = 1_000
  await t.rejects(writer.submit(adding('a')), { code: 'already_exists' })
  t.equal(await findState(reader, 'clock_set_back_at'), '1000')
})

test('commit times rise by at least a millisecond for each command, whatever the clock does', async (t) => {
  const clock = [5_000, 5_000, 3_000, 9_000]
  const { writer, heard } = await openWriter(t, () => clock.shift() ?? 0)
  for (const name of ['a', 'b', 'c', 'd']) await writer.submit(adding(name))
  t.strictSame(
    heard.flatMap(({ entries }) => entries.map(({ at }) => at)),
    [5_000, 5_001, 5_002, 9_000],
  )
})

test('listeners are called after the commit and before its commands are answered', async (t) => {
  const { writer, connection } = await openWriter(t)
  const order: string[] = []
  const inspector = new BetterSqlite3(connection.name, { readonly: true })
  t.teardown(() => inspector.close())
  writer.onAnnouncement(
    () =>
      void order.push(
        `heard, with ${String(inspector.prepare('SELECT count(*) FROM accounts').pluck().get())} account`,
      ),
  )
  await writer.submit(adding('a')).then(() => order.push('answered'))
  t.strictSame(order, ['heard, with 1 account', 'answered'])
})

test('a full disk refuses with storage_full, reads still work, and with space commands work again', async (t) => {
  const { writer, connection, heard, names } = await openWriter(t)
  await writer.submit(adding('before'))
  connection.pragma(`max_page_count = ${String(connection.pragma('page_count', { simple: true }))}`)
  const label = 'x'.repeat(20_000)
  const issue = (hash: string) =>
    writer.submit({ kind: 'issueToken', input: { account: 'before', hash, label }, actor })
  const outcomes = await Promise.allSettled([issue('a'), issue('b')])
  t.match(outcomes, [
    { status: 'rejected', reason: { code: 'storage_full' } },
    { status: 'rejected', reason: { code: 'storage_full' } },
  ])
  t.strictSame(await names(), ['before'])
  connection.pragma('max_page_count = 1073741823')
  t.match(await issue('c'), { tokenId: 1 })
  t.strictSame(
    heard.flatMap(({ entries }) => entries.map(({ sequence }) => sequence)),
    [1, 2],
  )
})

test('a failing commit fails its whole batch, and the next one works', async (t) => {
  const { writer, connection, heard, names } = await openWriter(t)
  await writer.submit(adding('before'))
  breakCommitsWith(connection, 'b')
  const outcomes = await Promise.allSettled([
    writer.submit(adding('a')),
    writer.submit(adding('b')),
    writer.submit(adding('c')),
  ])
  t.strictSame(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  t.strictSame(await names(), ['before'])
  await writer.submit(adding('after'))
  t.strictSame(await names(), ['after', 'before'])
  t.strictSame(
    heard.flatMap(({ entries }) => entries.map(({ sequence }) => sequence)),
    [1, 2],
    'the ledger continues',
  )
})

test('the rights of a caller are read once, and again after a change of them, also one that was lost', async (t) => {
  const { writer, connection, statements, names } = await openWriter(t)
  await writer.submit({ kind: 'setUp', input: { adminTokenHash: 'hash' }, actor })
  const admin = { client: 'tests', door: 'api', accountId: 1, tokenId: 1 } as const
  const addingAsAdmin = (name: string) => writer.submit({ ...adding(name), actor: admin })
  const narrowing = () =>
    writer.submit({ kind: 'narrowToken', input: { tokenId: 1, scope: { actions: ['upload'] } }, actor })
  statements.splice(0)
  await addingAsAdmin('a')
  await addingAsAdmin('b')
  t.equal(statements.filter((text) => /^select .* from "tokens"/.test(text)).length, 1)

  breakCommitsWith(connection, 'broken')
  const lost = await Promise.allSettled([narrowing(), addingAsAdmin('c'), writer.submit(adding('broken'))])
  t.strictSame(
    lost.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  await addingAsAdmin('d')
  t.strictSame(await names(), ['a', 'admin', 'b', 'd'])

  await narrowing()
  await t.rejects(addingAsAdmin('e'), { code: 'forbidden' })
})

test('when SQLite rolls a transaction back, the batch fails and the next one works', async (t) => {
  const { writer, connection, names } = await openWriter(t)
  connection.exec(
    "CREATE TRIGGER take_back AFTER INSERT ON accounts WHEN NEW.name = 'b' BEGIN SELECT RAISE(ROLLBACK, 'taken back'); END",
  )
  const outcomes = await Promise.allSettled([
    writer.submit(adding('a')),
    writer.submit(adding('b')),
    writer.submit(adding('c')),
  ])
  t.match(outcomes, [
    { status: 'rejected', reason: { message: 'taken back' } },
    { status: 'rejected' },
    { status: 'rejected' },
  ])
  t.strictSame(await names(), [])
  await writer.submit(adding('after'))
  t.strictSame(await names(), ['after'])
})

test('a closing writer commits queued commands and accepts no more', async (t) => {
  const { writer, names } = await openWriter(t)
  const queued = writer.submit(adding('queued'))
  const closed = writer.close()
  await t.rejects(writer.submit(adding('late')), { code: 'shutting_down' })
  await Promise.all([queued, closed])
  t.strictSame(await names(), ['queued'])
})

test('a command submitted during a commit is committed after it', async (t) => {
  const { writer, heard } = await openWriter(t)
  const first = writer.submit(adding('a'))
  await Promise.resolve()
  await Promise.all([first, writer.submit(adding('b'))])
  t.strictSame(
    heard.flatMap(({ entries }) => entries.map(({ sequence }) => sequence)),
    [1, 2],
  )
})

test('rows of a commit that reported a failure count as changed for commands that read ahead', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-writer-'))
  const file = join(folder, 'depot.sqlite')
  const database = await new SqliteEngine(file).open(0)
  const commits = openFailingCommits(t, file)
  let isLong = false
  let time = 0
  const writer = await Writer.open(commits.db, commandTable, {
    now: () => 1_000,
    elapsed: () => (time += isLong ? 1_000 : 0),
    openSnapshot: () => new SqliteEngine(file).openSnapshot(),
  })
  t.teardown(async () => {
    await writer.close()
    await database.close()
    await rm(folder, { recursive: true })
  })
  const depot = { depot: { writer, db: database.reader } }
  await writer.submit({ kind: 'setUp', input: { adminTokenHash: undefined }, actor })
  const [one, two] = (await makeReleases(
    depot,
    'acme/app/1.0/20260101000000',
    'acme/app/2.0/20260101000000',
  )) as [ReleaseRow, ReleaseRow]
  isLong = true
  const outcome = move(depot, 'promote', 'union', [two])
  await writer.submit(adding('meanwhile'))
  isLong = false
  for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate)
  commits.isFailing = true
  await t.rejects(move(depot, 'promote', 'union', [one]), { message: 'the disk did not answer' })
  commits.isFailing = false
  t.match(await outcome, { revision: 2, releases: [{ ident: two.ident, change: 'moved', from: one.ident }] })
})

test('an outcome from a snapshot waits until what the snapshot had is acknowledged', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-writer-'))
  const engine = new SqliteEngine(join(folder, 'depot.sqlite'))
  const database = await engine.open(0)
  let [time, isLong] = [0, false]
  const asked: number[] = []
  const writer = await Writer.open(database.writable, commandTable, {
    now: () => 1_000,
    elapsed: () => (time += isLong ? 1_000 : 0),
    openSnapshot: () => engine.openSnapshot(),
    async acknowledge(sequence) {
      asked.push(sequence)
      if (isLong) throw new Error('a node did not apply it')
    },
  })
  t.teardown(async () => {
    await writer.close()
    await database.close()
    await rm(folder, { recursive: true })
  })
  const depot = { depot: { writer, db: database.reader } }
  await writer.submit({ kind: 'setUp', input: { adminTokenHash: undefined }, actor })
  const [one] = (await makeReleases(depot, 'acme/app/1.0/20260101000000')) as [ReleaseRow]
  await move(depot, 'promote', 'union', [one])
  isLong = true
  await t.rejects(move(depot, 'promote', 'union', [one]), { message: 'a node did not apply it' })
  t.equal(asked.at(-1), writer.head.sequence)
})

test('after a commit that reported failure, the ledger goes on behind its rows, once its end can be read again', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-writer-'))
  const file = join(folder, 'depot.sqlite')
  const database = await new SqliteEngine(file).open(0)
  const commits = openFailingCommits(t, file)
  const writer = await Writer.open(commits.db, commandTable, { now: () => 1_000 })
  t.teardown(async () => {
    await writer.close()
    await database.close()
    await rm(folder, { recursive: true })
  })
  const told: { through: number; sequences: number[] }[] = []
  writer.onAnnouncement(
    ({ entries, through }) => void told.push({ through, sequences: entries.map(({ sequence }) => sequence) }),
  )
  await writer.submit(adding('a'))
  commits.isFailing = true
  commits.isHeadUnreadable = true
  await t.rejects(writer.submit(adding('b')), { message: 'the disk did not answer' })
  commits.isFailing = false
  await t.rejects(writer.submit(adding('c')), { message: 'the ledger cannot be read' })
  t.strictSame(told, [{ through: 1, sequences: [1] }])
  commits.isHeadUnreadable = false
  await writer.submit(adding('d'))
  t.strictSame(told.slice(1), [
    { through: 2, sequences: [] },
    { through: 3, sequences: [3] },
  ])
  t.strictSame(
    (await listAccounts(database.reader)).map(({ name }) => name),
    ['a', 'b', 'd'],
  )
})
