import { sqliteFileOf } from '../../src/config/database.ts'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { ask, converse } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, publishAll, upload, uploadPath } from '../support/origin.ts'
import { until } from '../support/until.ts'
import { VERSIONS, EVERYWHERE, start, everywhere, metric } from '../support/workers.ts'

/**
 * A package that is written to the spool before its last byte came. Small ones are kept in memory until then.
 */
const LARGE = {
  ident: 'acme/app/1.0.0/20260101120000',
  files: [{ path: 'bin/large', content: Buffer.alloc(2 * 1024 * 1024, 'x') }],
}

test('a dead thread is replaced, and its unfinished uploads are removed', async (t) => {
  const started = await start(t)
  const { threads, url, depot } = started
  await makeOrigin(started)
  const hart = buildHart(LARGE)
  // Uploads that stop halfway, in all threads.
  const path = uploadPath(hart)
  const halves: ReturnType<typeof converse>[] = []
  const begin = async () => {
    const half = converse(url)
    halves.push(half)
    await half.say(
      `POST ${path} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: ${hart.bytes.length}\r\n\r\n`,
    )
    await half.say(hart.bytes.subarray(0, -100))
    await until('the spool has every upload', async () => (await readdir(spool)).length === halves.length)
  }
  const spool = join(depot.config.blobFolder, 'spool')
  const inSpool = async (writer: string) =>
    (await readdir(spool)).filter((name) => name.startsWith(`${writer}.`)).length
  while ((await inSpool('worker1')) === 0 || (await inSpool('own')) === 0) await begin()
  const ofOwn = await inSpool('own')

  const [first] = threads
  const count = threads.length
  await first?.terminate()
  await until('the spool of worker1 is empty', async () => (await inSpool('worker1')) === 0)
  t.equal(await inSpool('own'), ofOwn, 'others go on')
  await until('a new worker has started', () => threads.length > count)
  const polls = await everywhere(`${url}/v1/depot/channels/acme/stable/pkgs/app/latest`)
  t.ok(polls.every(({ status }) => status === 404))
  for (const half of halves) half.socket.destroy()
  t.equal((await upload(started, hart)).status, 201)
})

test('the blob of a command from a dead thread is kept until the writer has run it', async (t) => {
  const started = await start(t)
  const { threads, url, depot } = started
  await makeOrigin(started)
  const hart = buildHart(LARGE)
  const blob = join(depot.config.blobFolder, hart.checksum.slice(0, 2), hart.checksum)
  const spool = join(depot.config.blobFolder, 'spool')
  const halves: ReturnType<typeof converse>[] = []
  t.teardown(() => halves.forEach((half) => half.socket.destroy()))
  // Until one is with the worker: the system deals out connections.
  while (!(await readdir(spool)).some((name) => name.startsWith('worker1.'))) {
    const half = converse(url)
    halves.push(half)
    await half.say(
      `POST ${uploadPath(hart)} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: ${hart.bytes.length}\r\n\r\n`,
    )
    await half.say(hart.bytes.subarray(0, -100))
    await until('the spool has every upload', async () => (await readdir(spool)).length === halves.length)
  }
  using other = {
    db: new BetterSqlite3(sqliteFileOf(depot.config)),
    [Symbol.dispose]: () => other.db.close(),
  }
  other.db.exec('BEGIN IMMEDIATE') // the writer has to wait
  await halves.at(-1)?.say(hart.bytes.subarray(-100))
  await until('the blob is in the store', () => existsSync(blob))
  await depot.blobs.claims.forget(hart.checksum) // has its turn once the claim is made, which keeps the bytes
  const [first] = threads
  const count = threads.length
  await first?.terminate()
  await until('a new worker has started', () => threads.length > count)
  await depot.blobs.claims.forget(hart.checksum) // as who deletes a release of the same bytes
  t.ok(existsSync(blob))
  other.db.exec('ROLLBACK')
})

test('closing a server ends its threads after their last answers', async (t) => {
  const started = await start(t)
  await makeOrigin(started)
  await publishAll(started, ...VERSIONS)
  const { threads } = started
  const ended = Promise.all(threads.map((thread) => once(thread, 'exit')))
  const { through } = JSON.parse((await ask(`${started.url}/api/v1/events?limit=1000`)).text) as {
    through: number
  }
  const waiting = everywhere(`${started.url}/api/v1/events?after=${through}&wait=60`)
  await until(
    'every follower waits',
    async () => (await metric(started, 'hart_depot_followers')) === EVERYWHERE,
  )
  await started.close()
  t.ok(
    (await waiting).every(({ status, headers }) => status === 200 && headers.connection === 'close'),
    'the waiting request is answered',
  )
  t.strictSame((await ended).flat(), [0])
})
