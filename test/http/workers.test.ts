import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import BetterSqlite3 from 'better-sqlite3'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { Workers, listen } from '../../src/http/workers.ts'
import { buildServer } from '../../src/http/server.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask, converse } from '../support/ask.ts'
import type { Answer } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, promoteTo, publishAll, upload, uploadPath } from '../support/origin.ts'
import { startReceiver } from '../support/receiver.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

// Each request comes on a connection of its own, which the system gives to any of the threads. Sixteen reach all of them nearly always.

const EVERYWHERE = 16
const VERSIONS = ['acme/app/1.0.0/20260101120000', 'acme/app/2.0.0/20260101120000']

interface Started extends TestDepot {
  /** Those that answer requests, besides the thread that opened the depot. */
  readonly threads: Worker[]
}

async function start(
  t: Pick<Test, 'teardown'>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const threads: Worker[] = []
  const note = (thread: Worker) =>
    void (thread.threadName?.startsWith('worker') === true && threads.push(thread))
  process.on('worker', note)
  t.teardown(() => process.off('worker', note))
  const started = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: { DEPOT_WORKERS: '2', DEPOT_LOG_LEVEL: 'silent', ...environment },
  })
  return { ...started, threads }
}

async function everywhere(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer[]> {
  return Promise.all(Array.from({ length: EVERYWHERE }, () => ask(url, { headers })))
}

async function blobsOf({ depot }: TestDepot): Promise<string[]> {
  const entries = await readdir(depot.config.blobFolder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

async function metric({ url }: TestDepot, name: string): Promise<number> {
  const { text } = await ask(`${url}/metrics`)
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  )
}

const receiver = await startReceiver(tap)
const shared = await start(tap, { DEPOT_WORKERS: '3', DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' })
await makeOrigin(shared)
const harts = await publishAll(shared, ...VERSIONS)

async function promoteByCommand({ depot }: TestDepot, ident: string): Promise<void> {
  const input = { view: 'acceptance', releases: [{ ident, target: 'x86_64-linux' as const }] }
  await depot.writer.submit({ kind: 'promote', input, actor: { client: 'tests', door: 'cli' } })
}

test('after a promotion through any thread, every thread serves it', async (t) => {
  const latest = `${shared.url}/v1/depot/channels/acme/acceptance/pkgs/app/latest`
  for (let round = 0; round < 8; round += 1) {
    const hart = harts[round % 2]
    const before = harts[(round + 1) % 2]
    if (hart === undefined || before === undefined) throw new Error('no hart')
    t.equal((await promoteTo(shared, 'acceptance', hart)).status, 200)
    if (round > 0) t.equal((await promoteTo(shared, 'acceptance', before, 'demote')).status, 200)
    const answers = await everywhere(latest)
    t.strictSame(
      [
        ...new Set(
          answers.map(
            ({ status, text }) =>
              `${status} ${(JSON.parse(text) as { ident: { version: string } }).ident.version}`,
          ),
        ),
      ],
      [`200 ${hart.ident.version}`],
    )
    const gone = await everywhere(
      `${shared.url}/v1/depot/channels/acme/acceptance/pkgs/app/${before.ident.version}/${before.ident.release}`,
    )
    t.strictSame([...new Set(gone.map(({ status }) => status))], [404])
  }
})

for (const DEPOT_FAST_PATH of ['on', 'off']) {
  test(`a thread that has not processed a commit does so before it answers, with the fast path ${DEPOT_FAST_PATH}`, async (t) => {
    const started = await start(t, { DEPOT_WORKERS: '1', DEPOT_FAST_PATH })
    await makeOrigin(started)
    await publishAll(started, ...VERSIONS)
    const share = await started.depot.share()
    const commits = new Int32Array(share.writerPort.announced)
    const talk = converse(started.url)
    const poll = 'GET /v1/depot/views/acceptance/pkgs/acme/app/latest HTTP/1.1\r\nHost: depot\r\n\r\n'
    await talk.say(poll)
    await talk.hear(/ 404 [^]*\r\n\r\n$/)
    // The poll is there first, and nobody looks at it, nor at what the writer says, until the change is committed.
    const before = Atomics.load(commits, 0)
    talk.socket.write(poll)
    const promotion = promoteByCommand(started, VERSIONS[1] ?? '')
    await setImmediate() // the writer gets the commands of a turn at its end
    while (Atomics.load(commits, 0) === before) Atomics.wait(commits, 0, before, 1)
    await talk.hear(/ 200 [^]*"version":"2.0.0"/)
    await promotion
    talk.socket.destroy()
    share.writerPort.port.close()
  })
}

test('a revoked token and a hidden release apply in every thread', async (t) => {
  const token = await shared.account('friend')
  const profile = `${shared.url}/v1/profile`
  t.ok((await everywhere(profile, bearer(token))).every(({ status }) => status === 200))
  await shared.depot.writer.submit({
    kind: 'revokeToken',
    input: { tokenId: 2 },
    actor: { client: 'tests', door: 'cli' },
  })
  t.ok((await everywhere(profile, bearer(token))).every(({ status }) => status === 401))

  const shown = `${shared.url}/v1/depot/pkgs/${VERSIONS[1]}`
  t.ok((await everywhere(shown)).every(({ status }) => status === 200))
  t.equal(
    (await ask(`${shown}/private`, { method: 'PATCH', headers: { ...bearer(), 'content-length': 0 } }))
      .status,
    200,
  )
  t.ok((await everywhere(shown)).every(({ status }) => status === 404))
})

test('every thread handles uploads, downloads and deletions', async (t) => {
  const before = await blobsOf(shared)
  const ups = Array.from({ length: EVERYWHERE }, (_, n) =>
    buildHart({ ident: `acme/up/1.0.${n}/20260101120000` }),
  )
  const uploads = await Promise.all(ups.map((hart) => upload(shared, hart)))
  t.ok(uploads.every(({ status }) => status === 201))
  const downloads = await Promise.all(
    ups.map((hart) => ask(`${shared.url}/v1/depot/pkgs/${formatIdent(hart.ident)}/download`)),
  )
  t.ok(downloads.every(({ body }, n) => body.equals(ups[n]?.bytes ?? Buffer.of())))
  const deletions = await Promise.all(
    ups.map((hart) =>
      ask(`${shared.url}/v1/depot/pkgs/${formatIdent(hart.ident)}?target=${hart.target}`, {
        method: 'DELETE',
        headers: bearer(),
      }),
    ),
  )
  t.ok(
    deletions.every(({ status }) => status === 204),
    String(deletions.map(({ status }) => status)),
  )
  t.strictSame(await blobsOf(shared), before)
})

test('a wait in one thread ends by a change in another', async (t) => {
  const [hart] = harts
  if (hart === undefined) throw new Error('no hart')
  const { text } = await ask(`${shared.url}/api/v1/events?limit=1000`)
  const { through } = JSON.parse(text) as { through: number }
  const waiting = everywhere(`${shared.url}/api/v1/events?after=${through}&wait=60`)
  await until(
    'every follower waits',
    async () => (await metric(shared, 'hart_depot_followers')) === EVERYWHERE,
  )
  await promoteTo(shared, 'acceptance', hart)
  const heard = (await waiting).map((answer) => JSON.parse(answer.text) as { events: { sequence: number }[] })
  t.ok(heard.every(({ events }) => events[0]?.sequence === through + 1))
})

test('metrics are the sums of all threads', async (t) => {
  const name = 'hart_depot_request_duration_seconds_count{door="habitat",method="GET",status="4xx"}'
  const before = await metric(shared, name)
  await everywhere(`${shared.url}/v1/depot/channels/acme/stable/pkgs/ghost/latest`)
  t.equal(await metric(shared, name), before + EVERYWHERE)
  const all = (await ask(`${shared.url}/metrics`)).text
    .split('\n')
    .filter((line) => line.startsWith('# TYPE'))
    .map((line) => line.split(' ')[2])
  t.strictSame(all.length, new Set(all).size, 'each has one heading')
})

test('webhooks can be managed through every thread', async (t) => {
  const json = { ...bearer(), 'content-type': 'application/json' }
  const made = await ask(`${shared.url}/api/v1/webhooks`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ name: 'ci', url: receiver.url }),
  })
  t.equal(made.status, 201)
  const pings = await Promise.all(
    Array.from({ length: EVERYWHERE }, () =>
      ask(`${shared.url}/api/v1/webhooks/ci/pings`, {
        method: 'POST',
        headers: { ...bearer(), 'content-length': 0 },
      }),
    ),
  )
  t.ok(
    pings.every(({ status, text }) => status === 200 && text.includes('"accepted"')),
    pings[0]?.text ?? '',
  )
  t.equal(receiver.received.length, EVERYWHERE)
  const refused = await Promise.all(
    Array.from({ length: EVERYWHERE }, (_, n) =>
      ask(`${shared.url}/api/v1/webhooks`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ name: `bad-${n}`, url: 'http://10.1.2.3/' }),
      }),
    ),
  )
  t.ok(
    refused.every(({ status }) => status === 400),
    refused[0]?.text ?? '',
  )
  const shown = await everywhere(`${shared.url}/api/v1/webhooks/ci`, bearer())
  t.ok(shown.every(({ status }) => status === 200))
})

test('a dead thread is replaced, and its unfinished uploads are removed', async (t) => {
  const started = await start(t)
  const { threads, url, depot } = started
  await makeOrigin(started)
  const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
  // Uploads that stop halfway, in all threads.
  const path = uploadPath(hart)
  const halves: ReturnType<typeof converse>[] = []
  const begin = async () => {
    const half = converse(url)
    halves.push(half)
    await half.say(
      `POST ${path} HTTP/1.1\r\nHost: depot\r\nAuthorization: ${bearer().authorization}\r\nContent-Length: ${hart.bytes.length}\r\n\r\n`,
    )
    await half.say(hart.bytes.subarray(0, 100))
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
  const hart = buildHart({ ident: 'acme/app/1.0.0/20260101120000' })
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
    await half.say(hart.bytes.subarray(0, 100))
    await until('the spool has every upload', async () => (await readdir(spool)).length === halves.length)
  }
  using other = { db: new BetterSqlite3(depot.config.databaseFile), [Symbol.dispose]: () => other.db.close() }
  other.db.exec('BEGIN IMMEDIATE') // the writer has to wait
  await halves.at(-1)?.say(hart.bytes.subarray(100))
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

test('a port that another depot uses is not shared with it', async (t) => {
  const other = createServer().listen({ host: '127.0.0.1', port: 0, reusePort: true } as {
    host: string
    port: number
  })
  await once(other, 'listening')
  t.teardown(() => void other.close())
  const { depot } = await startDepot(t, { hasThreads: true })
  const workers = new Workers(depot, 1)
  const app = await buildServer(depot, { workers })
  t.teardown(() => app.close())
  const { port } = other.address() as AddressInfo
  await t.rejects(listen(app, { host: '127.0.0.1', port }, workers), { code: 'EADDRINUSE' })
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
