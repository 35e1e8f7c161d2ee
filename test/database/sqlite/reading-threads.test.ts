import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { test } from 'tap'
import { SqliteEngine } from '../../../src/database/sqlite/engine.ts'
import { ReadingThreads } from '../../../src/database/sqlite/reading-threads.ts'

async function openThreads(
  t: { teardown(fn: () => Promise<void>): unknown },
  { isStarted } = { isStarted: true },
): Promise<ReadingThreads> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  const file = join(folder, 'depot.sqlite')
  await new SqliteEngine(file).migrate(1_000)
  const threads = new ReadingThreads(file)
  if (isStarted) threads.start()
  t.teardown(async () => {
    await threads.close()
    await rm(folder, { recursive: true, force: true })
  })
  return threads
}

const countTo = (most: number) =>
  sql<{
    n: number
  }>`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${most}) SELECT count(*) AS n FROM c`

test('a short read does not wait for a long one', async (t) => {
  const db = (await openThreads(t)).db()
  await Promise.all([countTo(1).execute(db), countTo(1).execute(db)]) // both threads run
  const done: string[] = []
  const long = countTo(2_000_000)
    .execute(db)
    .then(({ rows }) => done.push(`long ${rows[0]?.n}`))
  const short = countTo(3)
    .execute(db)
    .then(({ rows }) => done.push(`short ${rows[0]?.n}`))
  await Promise.all([long, short])
  t.strictSame(done, ['short 3', 'long 2000000'])
})

test('concurrent reads share a few threads, and each gets its own result', async (t) => {
  const db = (await openThreads(t)).db()
  const counted = await Promise.all(Array.from({ length: 100 }, (_, n) => countTo(n + 1).execute(db)))
  t.strictSame(
    counted.map(({ rows }) => rows[0]?.n),
    Array.from({ length: 100 }, (_, n) => n + 1),
  )
})

test('a failed read reports its reason, writes are refused, and the next read works', async (t) => {
  const db = (await openThreads(t)).db()
  await t.rejects(sql`SELECT ident FROM nowhere`.execute(db), { code: 'SQLITE_ERROR', message: /nowhere/ })
  await t.rejects(sql`INSERT INTO origins VALUES (1)`.execute(db), { code: /^SQLITE/ })
  await t.rejects(db.transaction().execute(async () => undefined))
  t.equal((await countTo(2).execute(db)).rows[0]?.n, 2)
})

test('closing finishes running reads and refuses the rest', async (t) => {
  const threads = await openThreads(t)
  const db = threads.db()
  const under = countTo(300_000).execute(db)
  const others = Promise.allSettled(Array.from({ length: 10 }, () => countTo(300_000).execute(db)))
  await new Promise(setImmediate) // both reads are queued
  await threads.close()
  t.equal((await under).rows[0]?.n, 300_000)
  t.ok((await others).some((other) => other.status === 'rejected'))
  await t.rejects(countTo(1).execute(db), { code: 'shutting_down' })
})

test('before the threads start, reads run in the calling thread and fail in the same way', async (t) => {
  const threads = await openThreads(t, { isStarted: false })
  const db = threads.db()
  const { rows } = await countTo(3).execute(db)
  t.equal(rows[0]?.n, 3)
  await t.rejects(sql`SELECT ident FROM nowhere`.execute(db), { code: 'SQLITE_ERROR', message: /nowhere/ })
  await t.rejects(sql`INSERT INTO origins VALUES (1)`.execute(db), { code: /^SQLITE/ })
  let isDone = false
  const long = countTo(500_000)
    .execute(db)
    .then(() => (isDone = true))
  await new Promise(setImmediate)
  t.ok(isDone, 'nothing else ran until the read was done')
  await long
  threads.start()
  const inThread = countTo(500_000).execute(db)
  isDone = false
  void inThread.then(() => (isDone = true))
  await new Promise(setImmediate)
  t.notOk(isDone)
  await inThread
})
