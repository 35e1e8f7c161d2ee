import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import tap, { test } from 'tap'
import { Workers, listen } from '../../src/http/workers.ts'
import { buildServer } from '../../src/http/server.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask, converse } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, promoteTo, publishAll, upload } from '../support/origin.ts'
import { startReceiver } from '../support/webhooks/receiver.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'
import { EVERYWHERE, VERSIONS, start, everywhere, metric } from '../support/workers.ts'

async function blobsOf({ depot }: TestDepot): Promise<string[]> {
  const entries = await readdir(depot.config.blobFolder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

const receiver = await startReceiver(tap)
const shared = await start(tap, { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' })
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
    // The poll is there first, and nobody looks at it, nor at what the writer says, until the change is
    // committed.
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

test('a disabled account, a revoked token and a hidden release apply in every thread', async (t) => {
  const token = await shared.account('friend')
  const profile = `${shared.url}/v1/profile`
  t.ok((await everywhere(profile, bearer(token))).every(({ status }) => status === 200))
  for (const [isDisabled, expected] of [
    [true, 401],
    [false, 200],
  ] as const) {
    await shared.depot.writer.submit({
      kind: 'disableAccount',
      input: { account: 'friend', isDisabled },
      actor: { client: 'tests', door: 'cli' },
    })
    t.ok((await everywhere(profile, bearer(token))).every(({ status }) => status === expected))
  }
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
  const name = 'hart_depot_request_duration_seconds_count{door="poll",method="GET",status="4xx"}'
  const before = (await metric(shared, name)) || 0 // there is no line before the first
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

test('pollers that different threads answered are counted together', async (t) => {
  const started = await start(t, { DEPOT_COUNT_POLLERS: 'on', DEPOT_TRUST_PROXY: '127.0.0.1' })
  const [release] = await makeReleases(started, VERSIONS[0] ?? '')
  if (release === undefined) throw new Error('there is one')
  await move(started, 'promote', 'acceptance', [release])
  const path = `${started.url}/v1/depot/channels/acme/acceptance/pkgs/app/latest`
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    await everywhere(path, { 'x-forwarded-for': address })
  await everywhere(`${started.url}/v1/depot/channels/acme/ghost/pkgs/app/latest`)
  for (const { text } of await everywhere(`${started.url}/api/v1/pollers`, bearer()))
    t.match(JSON.parse(text), {
      lines: [{ view: 'acceptance', package: 'acme/app', pollers: 3, up_to_date: 3 }],
      absent_views: [{ view: 'ghost', polls: EVERYWHERE }],
    })
})
