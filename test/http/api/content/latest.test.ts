import { Agent } from 'node:http'
import tap, { test } from 'tap'
import { ask, converse } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'
import { turns, until } from '../../../support/until.ts'

// Waits for changes of a view with one open request.

const ident = (name: string, version: string) => `acme/${name}/${version}/20260101000000`
const row = (text: string) => ({ ident: text, target: 'x86_64-linux' }) as const

const started = await startDepot(tap, { listen: true })
await makeReleases(
  started,
  ident('app', '1.0.0'),
  ident('app', '2.0.0'),
  ident('app', '3.0.0'),
  ident('web', '1.0.0'),
)
await setVisibility(started, ident('app', '3.0.0'), 'private')
await makeView(started, 'prod', 'promoted')
await makeView(started, 'train', 'highest')
await move(started, 'promote', 'prod', [row(ident('app', '1.0.0')), row(ident('web', '1.0.0'))])
await move(started, 'promote', 'train', [row(ident('app', '1.0.0'))])

const LATEST = '/api/v1/views/prod/latest/acme/app'
const get = async (url: string, tag?: string, token: string | null = null) =>
  callApi(started, 'GET', url, { token, headers: tag === undefined ? {} : { 'if-none-match': tag } })
const tagOf = async (url: string, token: string | null = null) =>
  String((await get(url, undefined, token)).headers['etag'])

/** Waits until as many requests wait for a change, and those that a change woke have looked at it. */
async function settled(followers = 1): Promise<void> {
  await turns(20)
  await until(`${followers} requests wait`, async () =>
    (await ask(`${started.url}/metrics`)).text.includes(`\nhart_depot_followers ${followers}\n`),
  )
}

test('min_revision refuses or waits for a later revision', async (t) => {
  t.match(await get(`${LATEST}?min_revision=1`), { status: 200, differences: '', body: { revision: 1 } })
  t.match(await get(`${LATEST}?min_revision=2`), {
    status: 412,
    differences: '',
    body: { code: 'stale_revision' },
  })
  t.match(await get(`${LATEST}?min_revision=2&wait=0.01`), { status: 412 })
  const waiting = get(`${LATEST}?min_revision=3&wait=60`)
  await settled()
  await move(started, 'promote', 'prod', [row(ident('app', '2.0.0'))])
  await move(started, 'demote', 'prod', [row(ident('web', '1.0.0'))])
  t.match(
    await waiting,
    { status: 200, body: { ident: ident('app', '2.0.0'), revision: 2 } },
    'a revision that moved another package counts',
  )
  t.match(await get('/api/v1/views/nowhere/latest/acme/app?min_revision=1&wait=60'), {
    status: 404,
    differences: '',
  })
  for (const bad of ['-1', 'x', '1.5'])
    t.match(
      await get(`${LATEST}?min_revision=${bad}`),
      { status: 400, differences: '', body: { errors: [{ pointer: '/min_revision' }] } },
      bad,
    )
})

test('a view that was closed and opened again keeps its revision, also after a restart', async (t) => {
  const first = await startDepot(t)
  const actor = { client: 'tests', door: 'cli' } as const
  const act = async ({ depot }: typeof first, kind: 'declareChannel' | 'removeChannel') =>
    depot.writer.submit({ kind, input: { origin: 'acme', name: 'often', ownerId: 1 }, actor })
  const [app] = await makeReleases(first, ident('app', '1.0.0'))
  await act(first, 'declareChannel')
  if (app !== undefined) await move(first, 'promote', 'often', [app])
  await act(first, 'removeChannel')
  await first.close()
  const again = await startDepot(t, { folder: first.folder })
  await act(again, 'declareChannel')
  const url = '/api/v1/views/often/latest/acme/app?min_revision='
  t.match(await callApi(again, 'GET', `${url}2`), { status: 404 })
  t.match(await callApi(again, 'GET', `${url}3`), {
    status: 412,
    body: { code: 'stale_revision' },
  })
})

test('a poll with the revision of its promotion never gets an older answer', async (t) => {
  for (let i = 0; i < 30; i += 1) {
    const version = i % 2 === 0 ? '1.0.0' : '2.0.0'
    const { revision } = await move(started, 'promote', 'prod', [row(ident('app', version))])
    const polls = [
      get(`${LATEST}?min_revision=${revision}`),
      get(`${LATEST}?min_revision=${revision + 1}&wait=60`),
    ]
    const next = await move(started, 'promote', 'prod', [
      row(ident('app', version === '1.0.0' ? '2.0.0' : '1.0.0')),
    ])
    const [now, later] = await Promise.all(polls)
    t.ok(Number(now?.body?.['revision']) >= revision)
    t.match(later, { status: 200, body: { revision: next.revision } })
  }
})

test('a request with the current tag waits until latest changes', async (t) => {
  const tag = await tagOf(LATEST)
  const waiting = get(`${LATEST}?wait=60`, tag)
  const other = get(
    '/api/v1/views/train/latest/acme/app?wait=60',
    await tagOf('/api/v1/views/train/latest/acme/app'),
  )
  await settled(2)
  await move(started, 'promote', 'prod', [row(ident('web', '1.0.0'))])
  await move(started, 'promote', 'prod', [row(ident('app', '2.0.0'))])
  t.match(await waiting, { status: 200, differences: '', body: { ident: ident('app', '2.0.0') } })
  t.match(await get(`${LATEST}?wait=60`, tag), { status: 200 }, 'at once, when it has moved already')
  t.match(await get(`${LATEST}?wait=60`), { status: 200 }, 'at once, when there is nothing to compare with')
  t.match(await get(`${LATEST}?wait=0.01`, await tagOf(LATEST)), { status: 304, text: '' })
  await move(started, 'promote', 'train', [row(ident('app', '2.0.0'))])
  t.match(await other, { status: 200, body: { ident: ident('app', '2.0.0'), view: 'train' } })
})

test('a promotion during the handling of a request is not missed', async (t) => {
  const url = '/api/v1/views/race/latest/acme/app'
  await makeView(started, 'race', 'promoted')
  const promoteNext = async (i: number) =>
    move(started, 'promote', 'race', [row(ident('app', `${(i % 2) + 1}.0.0`))])
  await promoteNext(0)
  for (let count = 0; count < 12; count += 1) {
    const following = get(`${url}?wait=10`, await tagOf(url))
    const waiting = get(`${url}?min_revision=${count + 2}&wait=10`)
    for (let turn = 0; turn < count; turn += 1)
      await (count % 2 === 0 ? new Promise(setImmediate) : undefined)
    await promoteNext(count + 1)
    const begun = performance.now()
    t.match(
      [await following, await waiting],
      [{ status: 200, body: { revision: count + 2 } }, { status: 200 }],
      `after ${count} turns`,
    )
    t.ok(performance.now() - begun < 5_000, 'not at the end of the wait')
  }
})

test('a waiting request of a caller with fewer rights wakes for the changes that it sees', async (t) => {
  const url = '/api/v1/views/train/latest/acme/app'
  const waiting = get(`${url}?wait=60`, await tagOf(url))
  const insider = get(`${url}?wait=60`, await tagOf(url, ADMIN_TOKEN), ADMIN_TOKEN)
  await settled(2)
  await move(started, 'promote', 'train', [row(ident('app', '3.0.0'))])
  await settled()
  await setVisibility(started, ident('app', '2.0.0'), 'private')
  t.match(await waiting, { status: 200, body: { ident: ident('app', '1.0.0') } })
  await setVisibility(started, ident('app', '2.0.0'), 'public')
  t.match(await insider, { status: 200, body: { ident: ident('app', '3.0.0') } })
})

test('a package that disappears during the wait gets 404', async (t) => {
  await move(started, 'promote', 'prod', [row(ident('web', '1.0.0'))]).catch(() => undefined)
  const url = '/api/v1/views/prod/latest/acme/web'
  const waiting = get(`${url}?wait=60`, await tagOf(url))
  await settled()
  await move(started, 'demote', 'prod', [row(ident('web', '1.0.0'))])
  t.match(await waiting, { status: 404, differences: '', body: { code: 'not_found' } })
})

test('latest of one version can be waited for', async (t) => {
  const url = `${LATEST}/1.0.0`
  const waiting = get(`${url}?wait=60`, await tagOf(url))
  await settled()
  await move(started, 'demote', 'prod', [row(ident('app', '1.0.0'))])
  t.match(await waiting, { status: 404 })
})

test('a view waits until its revision changes, and its tag depends on caller and format', async (t) => {
  const url = '/api/v1/views/prod'
  const tag = await tagOf(url)
  const waiting = get(`${url}?wait=60`, tag)
  await settled()
  await move(started, 'promote', 'prod', [row(ident('app', '3.0.0'))])
  const { body } = await waiting
  t.match(body, { packages: 0 })
  const tags = [await tagOf(url), await tagOf(url, ADMIN_TOKEN), await tagOf(`${url}?format=text`)]
  t.equal(new Set(tags).size, 3)
  for (const each of tags) t.match(each, new RegExp(`^"${String(body?.['revision'])}-`))
  t.match(await get(`${url}?wait=0.01`, tags[0]), { status: 304 })
})

test('waiting ends when the client leaves', async () => {
  const talk = converse(started.url)
  await talk.say(`GET ${LATEST}?wait=60&min_revision=9999 HTTP/1.1\r\nHost: depot\r\n\r\n`)
  await settled()
  talk.socket.destroy()
  const connections = async () =>
    new Promise<number>(
      (resolve) => void started.app.server.getConnections((_error, count) => resolve(count)),
    )
  await until('no connection is open', async () => (await connections()) === 0)
  await until('the refusal is logged', () =>
    started.logged.some((line) => line['path'] === LATEST && String(line['refusal']).includes('9999')),
  )
})

test('waiting requests are counted as such, and not as slow', async (t) => {
  const waiting = get(`${LATEST}?wait=0.3&min_revision=9999`)
  await settled()
  t.match((await ask(`${started.url}/metrics`)).text, /^hart_depot_followers 1$/m)
  await waiting
  t.match((await ask(`${started.url}/metrics`)).text, /^hart_depot_followers 0$/m)
  t.match(
    (await ask(`${started.url}/metrics`)).text,
    /hart_depot_request_duration_seconds_count\{door="held",method="GET",status="4xx"\} [1-9]/,
  )
})

// An answer that is not read for a while is cut off, but a waiting request has no answer yet.
test('a wait on a used connection may last longer than the time for answers', async (t) => {
  const { url } = await startDepot(t, { listen: true, limits: { unreadMs: 100 } })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(async () => agent.destroy())
  const first = await ask(`${url}/api/v1/views/stable`, { agent })
  const second = await ask(`${url}/api/v1/views/stable?wait=0.5`, {
    agent,
    headers: { 'if-none-match': String(first.headers.etag) },
  })
  t.equal(second.status, 304)
})
