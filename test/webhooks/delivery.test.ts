import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { Webhooks } from '../../src/delivery/webhooks.ts'
import type { Depot } from '../../src/depot/depot.ts'
import { findHead, listEntries } from '../../src/ledger/ledger-store.ts'
import { freshProgress } from '../../src/webhooks/progress.ts'
import type { Progress } from '../../src/webhooks/progress.ts'
import { ask } from '../support/ask.ts'
import { callApi } from '../support/call-api.ts'
import type { Received } from '../support/webhooks/receiver.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { START, startDepot } from '../support/start-depot.ts'
import { isOnPostgres } from '../support/test-database.ts'
import { until } from '../support/until.ts'
import {
  TIMEOUT_MS,
  deliveries,
  entries,
  hook,
  scene,
  state,
  verifies,
} from '../support/webhooks/webhook-scene.ts'

test('a promotion is delivered with a Standard Webhooks signature and the content of the ledger', async (t) => {
  const started = await scene(t)
  const { receiver, depot } = started
  const secret = await hook(started, 'deploys', { filter: { kinds: ['promotion'], views: ['union'] } })
  const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000')
  await callApi(started, 'POST', '/api/v1/views/union/promotions', { body: { releases, reason: 'green' } })
  await until('the first delivery arrives', () => receiver.received.length === 1)
  const [received] = receiver.received as [Received]
  const { sequence, at, hash } = await depot.db
    .selectFrom('ledger')
    .selectAll()
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  t.strictSame(received.body, {
    sequence,
    at: new Date(at).toISOString(),
    kind: 'promotion',
    actor: 'admin',
    event: {
      view: 'union',
      revision: 1,
      act: 'promote',
      reason: 'green',
      joined: releases,
      left: [],
      pointers: [
        { package: 'acme/app', target: 'x86_64-linux', from: null, to: 'acme/app/1.0.0/20260101000000' },
      ],
    },
    hash,
  })
  t.match(received.headers, {
    'content-type': 'application/json',
    'user-agent': 'hart-depot',
    'webhook-id': /^msg_[0-9a-f]{16}_\d+$/,
  })
  const seconds = Number(received.headers['webhook-timestamp'])
  t.ok(seconds >= START / 1_000 && seconds < START / 1_000 + 60)
  t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  t.ok(verifies(secret, received))
  t.notOk(verifies(secret, { ...received, text: received.text.replace('green', 'black') }))
  t.notOk(verifies(`whsec_${Buffer.alloc(32).toString('base64')}`, received))
})

test('a filter combines views, origins and kinds', async (t) => {
  const started = await scene(t)
  const { receiver } = started
  await hook(started, 'all')
  await hook(started, 'origin', { filter: { origins: ['zeta'] } })
  await hook(started, 'view', { filter: { views: ['union', 'delivered'] } })
  await hook(started, 'both', {
    filter: { views: ['union'], origins: ['zeta'], kinds: ['promotion', 'release-published'] },
  })
  const head = await entries(started, 'marker')
  const [app] = await makeReleases(started, 'acme/app/1.0.0/20260101000000')
  const [zeta] = await makeReleases(started, 'zeta/web/1.0.0/20260101000000')
  if (app === undefined || zeta === undefined) throw new Error('no releases')
  await move(started, 'promote', 'union', [app])
  await move(started, 'promote', 'union', [app, zeta])
  await move(started, 'demote', 'union', [zeta])
  const [last = 0] = await entries(started, 'end')
  await until('/all receives the last entry', () =>
    receiver.received.some(({ path, body }) => path === '/all' && body.sequence === last),
  )
  const got = (path: string) =>
    receiver.received
      .filter((one) => one.path === path && one.body.sequence > (head[0] ?? 0))
      .map(({ body }) => body.kind)
  await until(
    '/both, /view and /origin receive their entries',
    () => got('/both').length === 2 && got('/view').length === 3 && got('/origin').length === 6,
  )
  const published = ['origin-created', 'package-settings-set', 'release-published', 'promotion']
  t.strictSame(got('/all'), [
    ...published,
    ...published,
    'promotion',
    'promotion',
    'promotion',
    'view-created',
  ])
  t.strictSame(got('/origin'), [...published, 'promotion', 'promotion'])
  t.strictSame(got('/view'), ['promotion', 'promotion', 'promotion'])
  t.strictSame(got('/both'), ['promotion', 'promotion'])
})

test('the next entry waits until the previous one is accepted, with growing pauses between attempts', async (t) => {
  const started = await scene(t)
  const { receiver, timers } = started
  await hook(started, 'deploys', { filter: { kinds: ['view-created'] } })
  receiver.behave(500)
  const [first = 0, second = 0] = await entries(started, 'one', 'two')
  await timers.pass(5_000)
  await timers.pass(10_000)
  await until('the next attempt waits for 20 s', () => timers.isWaiting(20_000))
  t.strictSame(receiver.sequences(), [first, first, first])
  t.equal(new Set(receiver.received.map(({ id }) => id)).size, 1, 'with one id')
  t.match(await state(started, 'deploys'), {
    state: 'failing',
    position: first - 1,
    behind: 2,
    attempts: 3,
    failing_since: /Z$/,
    next_attempt_at: /Z$/,
    differences: '',
  })
  receiver.behave(202)
  await timers.pass(20_000)
  await until('five deliveries arrive', () => receiver.received.length === 5)
  t.strictSame(receiver.sequences().slice(3), [first, second])
  await until(
    'the position is the second entry',
    async () => (await state(started, 'deploys'))['position'] === second,
  )
  t.match(await state(started, 'deploys'), {
    state: 'delivering',
    behind: 0,
    attempts: 0,
    failing_since: null,
    next_attempt_at: null,
  })
  t.match(await deliveries(started, 'deploys'), [
    { sequence: second, attempt: 1, status: 202, error: null },
    { sequence: first, attempt: 4, status: 202, error: null },
    { sequence: first, attempt: 3, status: 500, error: 'answered 500', id: receiver.received[0]?.id },
    { sequence: first, attempt: 2 },
    { sequence: first, attempt: 1 },
  ])
  t.match(
    started.logged.filter(({ webhook }) => webhook === 'deploys'),
    [{ msg: 'a webhook fails', sequence: first, error: 'answered 500' }, { msg: 'a webhook works again' }],
  )
})

test('a hanging receiver delays neither promotions nor other webhooks', async (t) => {
  const started = await scene(t)
  const { receiver, timers } = started
  receiver.behave((answer, { path }) => void (path === '/hangs' || answer.end()))
  await hook(started, 'hangs', { filter: { kinds: ['promotion'], views: ['union'] } })
  await hook(started, 'quick', { filter: { kinds: ['promotion'], views: ['union'] } })
  const releases = await makeReleases(
    started,
    'acme/app/1.0.0/20260101000000',
    'acme/app/2.0.0/20260101000000',
  )
  await move(started, 'promote', 'union', releases.slice(0, 1))
  const of = (path: string) => receiver.received.filter((one) => one.path === path)
  await until('/hangs receives a delivery', () => of('/hangs').length === 1)
  t.match(
    await move(started, 'promote', 'union', releases.slice(1)),
    { isChanged: true },
    'committed and answered while the receiver hangs',
  )
  await until('/quick receives two deliveries', () => of('/quick').length === 2)
  t.equal(of('/hangs').length, 1)
  t.match(await state(started, 'hangs'), { attempts: 0, behind: 2 })
  timers.advance(TIMEOUT_MS)
  await until('the next attempt waits for 5 s', () => timers.isWaiting(5_000))
  t.match(await deliveries(started, 'hangs'), [
    { attempt: 1, status: null, error: 'not answered within 7 s' },
  ])
})

test('a promotion is answered before its delivery starts', async (t) => {
  const started = await scene(t)
  const order: string[] = []
  started.receiver.behave((answer) => {
    order.push('received')
    answer.end()
  })
  await hook(started, 'deploys')
  await entries(started, 'one').then(() => order.push('answered'))
  await until('the caller is answered and the delivery arrives', () => order.length === 2)
  t.strictSame(order, ['answered', 'received'])
})

test('at most sixteen connections are open at once, and others get their turn', async (t) => {
  const started = await scene(t)
  const held: (() => void)[] = []
  started.receiver.behave(
    (answer, { path }) => void (path === '/barrier' ? answer.end() : held.push(() => answer.end())),
  )
  const names = Array.from({ length: 20 }, (_, index) => `hook-${index}`)
  for (const name of names) await hook(started, name, { filter: { kinds: ['view-created'] } })
  await entries(started, 'one')
  await until('16 deliveries are held', () => held.length === 16)
  await ask(`${started.receiver.url}barrier`, { method: 'POST', body: '{}' }) // earlier requests have arrived by now
  t.equal(held.length, 16)
  for (let index = 0; index < 20; index += 1) {
    await until('the next delivery is held', () => held.length > index)
    held[index]?.()
  }
  t.strictSame(
    new Set(started.receiver.received.map(({ path }) => path).filter((path) => path !== '/barrier')),
    new Set(names.map((name) => `/${name}`)),
  )
})

// On a server, the copy of the folder that stands for the killed depot has no database of its own.
if (!isOnPostgres)
  test('after a kill, deliveries that were not recorded are repeated with the same id', async (t) => {
    const started = await scene(t)
    const { receiver } = started
    await hook(started, 'deploys', { filter: { kinds: ['view-created'] } })
    const [first = 0, second = 0] = await entries(started, 'one', 'two')
    await until('two deliveries arrive', () => receiver.received.length === 2)
    // The state after kill -9: the files are unchanged, and nothing was recorded because no time has passed.
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-killed-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    await cp(started.folder, folder, { recursive: true })
    await scene(t, { folder, receiver })
    await until('four deliveries arrive', () => receiver.received.length === 4)
    t.strictSame(receiver.sequences(), [first, second, first, second])
    t.strictSame(receiver.received[2]?.id, receiver.received[0]?.id)
    t.strictSame(receiver.received[2]?.text, receiver.received[0]?.text)
  })

test('a restarted depot continues where it stopped, also with failed entries', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-again-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const before = await scene(t, { folder })
  const { receiver } = before
  await hook(before, 'deploys', { filter: { kinds: ['view-created'] } })
  const [first = 0] = await entries(before, 'one')
  await until('the first delivery arrives', () => receiver.received.length === 1)
  await until(
    'the position is the first entry',
    async () => (await state(before, 'deploys'))['position'] === first,
  )
  receiver.behave(503)
  const [second = 0] = await entries(before, 'two')
  await until('the next attempt waits for 5 s', () => before.timers.isWaiting(5_000))
  await before.close()

  const after = await scene(t, { folder, receiver })
  t.match(await state(after, 'deploys'), { state: 'failing', position: first, attempts: 1 })
  receiver.behave(200)
  const [third = 0] = await entries(after, 'three')
  await after.timers.pass(6_000) // its clock restarts slightly before the attempt
  await until('four deliveries arrive', () => receiver.received.length === 4)
  t.strictSame(receiver.sequences(), [first, second, second, third])
})

test('a depot stops while a receiver hangs, and delivers again after its start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-again-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const before = await scene(t, { folder })
  const { receiver } = before
  receiver.behave(() => undefined)
  await hook(before, 'deploys', { filter: { kinds: ['view-created'] } })
  const [first = 0] = await entries(before, 'one')
  await until('the first delivery arrives', () => receiver.received.length === 1)
  await before.close()
  receiver.behave(200)
  const after = await scene(t, { folder, receiver })
  await until('two deliveries arrive', () => receiver.received.length === 2)
  t.strictSame(receiver.sequences(), [first, first])
  await until(
    'the position is the first entry',
    async () => (await state(after, 'deploys'))['position'] === first,
  )
  t.match(
    await deliveries(after, 'deploys'),
    [{ sequence: first, attempt: 1, status: 200 }],
    'an aborted attempt is not counted',
  )
})

test('a webhook starts after the entry it was given', async (t) => {
  const started = await scene(t)
  const [first = 0, second = 0] = await entries(started, 'one', 'two')
  await hook(started, 'late', { filter: { kinds: ['view-created'] }, after: first })
  await until('the first delivery arrives', () => started.receiver.received.length === 1)
  t.strictSame(started.receiver.sequences(), [second])
  await hook(started, 'all', { after: 0 })
  await until('/all receives webhook-added', () =>
    started.receiver.received.some(({ path, body }) => path === '/all' && body.kind === 'webhook-added'),
  )
  const all = started.receiver.received.filter(({ path }) => path === '/all').map(({ body }) => body.sequence)
  t.strictSame(
    all,
    all.map((_, index) => index + 1),
    'from the first entry on, without gaps',
  )
})

test('entries outside a filter are skipped without a write', async (t) => {
  const started = await scene(t)
  await hook(started, 'quiet', { filter: { views: ['nothing-happens-here'] } })
  const row = () => started.depot.db.selectFrom('webhooks').select('position').executeTakeFirstOrThrow()
  const { position } = await row()
  const sequences = await entries(started, ...Array.from({ length: 30 }, (_, index) => `view-${index}`))
  await until(
    'the position is the last entry',
    async () => (await state(started, 'quiet'))['position'] === sequences.at(-1),
  )
  started.timers.advance(60_000)
  t.match(await state(started, 'quiet'), { behind: 0 })
  t.equal((await row()).position, position, 'nothing was written')
  await started.close()
  const { depot } = await startDepot(t, { folder: started.folder })
  t.equal(
    (await depot.db.selectFrom('webhooks').select('position').executeTakeFirstOrThrow()).position,
    sequences.at(-1),
    'until the depot stopped',
  )
})

test('a webhook that is removed while a node begins to deliver gets nothing from this node', async (t) => {
  const started = await scene(t)
  const { depot } = started
  await hook(started, 'removed', { filter: { kinds: ['view-created'] } })
  const { promise: listed, resolve: goOn } = Promise.withResolvers<void>()
  let isHeld = true
  const db = depot.db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      if (isHeld && 'url' in (result.rows[0] ?? {})) await listed
      return result
    },
  })
  const leadership = {
    whileLeading(_name: string, act: (signal: AbortSignal) => Promise<void>) {
      const controller = new AbortController()
      const acting = act(controller.signal)
      return async () => {
        controller.abort()
        await acting
      }
    },
  }
  const second = await Webhooks.open({ ...depot, db, leadership } as Depot, { after: started.timers.after })
  t.teardown(() => second.close())
  const { sequence } = await findHead(depot.db)
  await callApi(started, 'DELETE', '/api/v1/webhooks/removed')
  const page = { after: sequence, through: sequence + 1, limit: 1 }
  second.onCommit((await listEntries(depot.db, page)).entries)
  for (let turn = 0; turn < 10; turn += 1) await setImmediate()
  isHeld = false
  goOn()
  for (let turn = 0; turn < 10; turn += 1) await setImmediate()
  t.strictSame([...second.progresses()], [])
})

test('two commits in one turn wake a webhook, also if only the first one matches', async (t) => {
  const started = await scene(t)
  const { depot, receiver } = started
  await hook(started, 'wanted', { filter: { kinds: ['view-created'], views: ['wanted'] } })
  const second = await Webhooks.open(depot, { after: started.timers.after })
  t.teardown(() => second.close())
  for (let turn = 0; turn < 10; turn += 1) await setImmediate() // it finds nothing to deliver, and waits
  const [wanted = 0] = await entries(started, 'wanted', 'other')
  const { entries: committed } = await listEntries(depot.db, {
    after: wanted - 1,
    through: wanted + 1,
    limit: 2,
  })
  for (const entry of committed) second.onCommit([entry])
  await until('both send it', () => receiver.received.length === 2)
  t.strictSame(receiver.sequences(), [wanted, wanted])
})

test('attempts of all webhooks are recorded together, outside the ledger', async (t) => {
  const started = await scene(t)
  for (const name of ['one', 'two', 'three'])
    await hook(started, name, { filter: { kinds: ['view-created'] } })
  let commands = 0
  let commits = 0
  started.depot.writer.onAnnouncement((_announcement, commit) => {
    commits += 1
    commands += commit?.commands ?? 0
  })
  const [sequence = 0] = await entries(started, 'a-view')
  await until('three deliveries arrive', () => started.receiver.received.length === 3)
  await until('every webhook is at the entry', async () =>
    (await Promise.all(['one', 'two', 'three'].map((name) => state(started, name)))).every(
      ({ position }) => position === sequence,
    ),
  )
  t.equal(commits, 1)
  started.timers.advance(1_000)
  await until('there are two commits', () => commits === 2)
  t.equal(commands, 2)
  t.equal((await started.depot.db.selectFrom('webhook_deliveries').selectAll().execute()).length, 3)
  const { sequence: last } = await started.depot.db
    .selectFrom('ledger')
    .select('sequence')
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  t.equal(last, sequence)
})

test('the last thousand attempts of each webhook are kept', async (t) => {
  const started = await scene(t)
  await hook(started, 'deploys')
  const { key, version, position } = await started.depot.db
    .selectFrom('webhooks')
    .selectAll()
    .executeTakeFirstOrThrow()
  const progress = {
    position,
    replay: undefined,
    attempts: 0,
    nextAttemptAt: undefined,
    failingSince: undefined,
    pause: undefined,
  }
  const attempts = Array.from({ length: 700 }, (_, index) => ({
    sequence: index + 1,
    attempt: 1,
    at: START,
    durationMs: 1,
    status: 200,
    error: undefined,
    excerpt: '',
  }))
  for (let times = 0; times < 2; times += 1) {
    await started.depot.writer.submit({
      kind: 'saveDeliveries',
      input: { webhooks: [{ key, version, progress, deliveries: attempts }] },
      actor: { client: 'tests', door: 'cli' },
    })
  }
  const rows = await started.depot.db
    .selectFrom('webhook_deliveries')
    .select('sequence')
    .orderBy('id')
    .execute()
  t.equal(rows.length, 1_000)
  t.match([rows[0], rows.at(-1)], [{ sequence: 401 }, { sequence: 700 }])
})

test('progress that is stored late neither sets a webhook back nor ends its pause', async (t) => {
  const started = await scene(t)
  await hook(started, 'deploys')
  const stored = async () => started.depot.db.selectFrom('webhooks').selectAll().executeTakeFirstOrThrow()
  const { key, version, position } = await stored()
  const store = async (progress: Partial<Progress>) => {
    await started.depot.writer.submit({
      kind: 'saveDeliveries',
      input: {
        webhooks: [{ key, version, progress: { ...freshProgress(position), ...progress }, deliveries: [] }],
      },
      actor: { client: 'tests', door: 'cli' },
    })
    const row = await stored()
    return { position: row.position, attempts: row.attempts, paused: row.paused_why }
  }
  const at = (ahead: number) => ({ position: position + ahead })
  t.match(await store({ ...at(2), attempts: 1 }), { ...at(2), attempts: 1 })
  t.match(await store({ ...at(1), attempts: 5 }), { ...at(2), attempts: 1 })
  const pause = { at: START, why: 'gone' } as const
  t.match(await store({ ...at(2), attempts: 2, pause }), { ...at(2), paused: 'gone' })
  t.match(await store({ ...at(2), attempts: 1 }), { ...at(2), attempts: 2, paused: 'gone' })
  t.match(await store({ ...at(2), replay: { next: 1, to: 2 } }), { paused: 'gone' })
  t.strictSame(
    await store(at(3)),
    { ...at(3), attempts: 0, paused: null },
    'the receiver has accepted an entry',
  )
})
