import { test } from 'tap'
import { MAX_ATTEMPTS } from '../../src/webhooks/progress.ts'
import { callApi } from '../support/call-api.ts'
import type { Received } from '../support/webhooks/receiver.ts'
import { START } from '../support/start-depot.ts'
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
import type { Scene } from '../support/webhooks/webhook-scene.ts'

const VIEWS = { filter: { kinds: ['view-created'] } }

async function change(started: Scene, name: string, body: object) {
  const {
    status,
    body: changed,
    differences,
  } = await callApi(started, 'PATCH', `/api/v1/webhooks/${name}`, { body })
  return { status, differences, ...changed }
}

async function events(started: Scene): Promise<unknown[]> {
  const rows = await started.depot.db
    .selectFrom('ledger')
    .select('text')
    .where('kind', 'like', 'webhook-%')
    .orderBy('sequence')
    .execute()
  return rows.map(({ text }) => {
    const { at: _at, actor: _actor, ...event } = JSON.parse(text) as Record<string, unknown>
    return event
  })
}

test('a paused webhook gets nothing, and everything after it is resumed', async (t) => {
  const started = await scene(t)
  const { receiver } = started
  await hook(started, 'deploys', VIEWS)
  const [first = 0] = await entries(started, 'one')
  await until('the first delivery arrives', () => receiver.received.length === 1)
  t.match(await change(started, 'deploys', { paused: true }), {
    status: 200,
    differences: '',
    state: 'paused',
    position: first,
    paused: { why: 'asked', since: /Z$/ },
  })
  const [second = 0, third = 0] = await entries(started, 'two', 'three')
  await hook(started, 'other', { after: second }) // shows that there was enough time
  await until('/other receives webhook-added', () =>
    receiver.received.some(({ path, body }) => path === '/other' && body.kind === 'webhook-added'),
  )
  t.match(await state(started, 'deploys'), { state: 'paused', position: first })
  t.match(
    await change(started, 'deploys', { paused: true }),
    { status: 200, state: 'paused' },
    'twice is once',
  )
  t.match(await change(started, 'deploys', { paused: false }), { status: 200, paused: null })
  t.strictSame(
    started.logged.filter(({ method }) => method === 'PATCH').map(({ subject }) => subject),
    ['webhook deploys: paused', 'webhook deploys: paused', 'webhook deploys: resumed'],
  )
  const got = () =>
    receiver.received.filter(({ path }) => path === '/deploys').map(({ body }) => body.sequence)
  await until('three deliveries arrive', () => got().length === 3)
  t.strictSame(got(), [first, second, third])
  const changes = (await events(started)).filter(
    (event) => (event as { kind: string }).kind === 'webhook-changed',
  )
  t.strictSame(
    changes,
    [['paused'], ['resumed']].map((changed) => ({
      kind: 'webhook-changed',
      webhook: 'deploys',
      host: '127.0.0.1',
      changed,
    })),
  )
})

test('after more than five days of failures a webhook pauses, reports the reason and loses nothing', async (t) => {
  const started = await scene(t)
  const { receiver, timers } = started
  await hook(started, 'deploys', VIEWS)
  receiver.behave(500)
  const [first = 0, second = 0] = await entries(started, 'one', 'two')
  for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt += 1)
    await timers.pass(Math.min(5_000 * 2 ** (attempt - 1), 6 * 3_600_000))
  await until('the webhook is paused', async () => (await state(started, 'deploys'))['state'] === 'paused')
  t.match(await state(started, 'deploys'), {
    attempts: MAX_ATTEMPTS,
    position: first - 1,
    behind: 2,
    next_attempt_at: null,
    failing_since: /Z$/,
    paused: { why: 'failing' },
    differences: '',
  })
  t.equal(receiver.received.length, MAX_ATTEMPTS)
  t.match(
    started.logged.find(({ msg }) => String(msg).startsWith('a webhook was paused')),
    { level: 'error', webhook: 'deploys', why: 'failing', error: 'answered 500', attempts: MAX_ATTEMPTS },
  )
  timers.advance(100 * 86_400_000)
  receiver.behave(200)
  await change(started, 'deploys', { paused: false })
  await until('two more deliveries arrive', () => receiver.received.length === MAX_ATTEMPTS + 2)
  t.strictSame(receiver.sequences().slice(MAX_ATTEMPTS), [first, second])
})

test('410 pauses a webhook at once', async (t) => {
  const started = await scene(t)
  await hook(started, 'deploys', VIEWS)
  started.receiver.behave(410)
  await entries(started, 'one')
  await until('the webhook is paused', async () => (await state(started, 'deploys'))['state'] === 'paused')
  t.match(await state(started, 'deploys'), { attempts: 1, paused: { why: 'gone' } })
  t.match(await deliveries(started, 'deploys'), [{ status: 410, error: 'answered 410: it is gone' }])
})

test('a replay sends a range in order with the same ids, before new entries', async (t) => {
  const started = await scene(t)
  const { receiver } = started
  await hook(started, 'deploys', VIEWS)
  const [first = 0, second = 0, third = 0] = await entries(started, 'one', 'two', 'three')
  await until('three deliveries arrive', () => receiver.received.length === 3)
  const replay = await callApi(started, 'POST', '/api/v1/webhooks/deploys/replays', {
    body: { from: first, to: second },
  })
  t.match(replay, {
    status: 200,
    differences: '',
    body: { position: third, replay: { next: first, to: second } },
  })
  const [fourth = 0] = await entries(started, 'four')
  await until('six deliveries arrive', () => receiver.received.length === 6)
  t.strictSame(receiver.sequences(), [first, second, third, first, second, fourth])
  t.equal(receiver.received[3]?.id, receiver.received[0]?.id)
  await until('the replay has ended', async () => (await state(started, 'deploys'))['replay'] === null)

  await callApi(started, 'POST', '/api/v1/webhooks/deploys/replays', { body: { from: third } })
  await until('eight deliveries arrive', () => receiver.received.length === 8)
  t.strictSame(receiver.sequences().slice(6), [third, fourth])
  t.match(await callApi(started, 'POST', '/api/v1/webhooks/deploys/replays', { body: { from: 1_000_000 } }), {
    status: 409,
    differences: '',
    body: { code: 'conflict' },
  })
})

test('the end of a replay without matches is stored', async (t) => {
  const started = await scene(t)
  await hook(started, 'quiet', { filter: { views: ['nothing-happens-here'] } })
  const [first = 0] = await entries(started, 'one', 'two')
  await callApi(started, 'POST', '/api/v1/webhooks/quiet/replays', { body: { from: first } })
  await until('the replay has ended', async () => (await state(started, 'quiet'))['replay'] === null)
  await deliveries(started, 'quiet') // stores all progress first
  t.match(await started.depot.db.selectFrom('webhooks').selectAll().executeTakeFirstOrThrow(), {
    replay_next: null,
  })
})

test('a failing replay delays new entries, and survives a change of the URL', async (t) => {
  const started = await scene(t)
  const { receiver, timers } = started
  await hook(started, 'deploys', VIEWS)
  const [first = 0] = await entries(started, 'one')
  await until('the first delivery arrives', () => receiver.received.length === 1)
  receiver.behave(500)
  await callApi(started, 'POST', '/api/v1/webhooks/deploys/replays', { body: { from: first } })
  const [second = 0] = await entries(started, 'two')
  await until('the next attempt waits for 5 s', () => timers.isWaiting(5_000))
  t.match(await state(started, 'deploys'), { state: 'failing', replay: { next: first, to: first } })
  receiver.behave(200)
  t.match(await change(started, 'deploys', { url: `${receiver.url}moved` }), { status: 200, attempts: 0 })
  await until('four deliveries arrive', () => receiver.received.length === 4)
  t.strictSame(
    receiver.received.map(({ path, body }) => [path, body.sequence]),
    [
      ['/deploys', first],
      ['/deploys', first],
      ['/moved', first],
      ['/moved', second],
    ],
  )
})

test('removing a webhook aborts its delivery, and its name can be used again', async (t) => {
  const started = await scene(t)
  const { receiver, timers } = started
  await hook(started, 'deploys', VIEWS)
  let isCut = false
  receiver.behave((_answer, _received, request) =>
    request.socket.on('close', () => {
      isCut = true
    }),
  )
  await entries(started, 'one', 'two')
  await until('the first delivery arrives', () => receiver.received.length === 1)
  t.match(await callApi(started, 'DELETE', '/api/v1/webhooks/deploys'), { status: 204, differences: '' })
  await until('the connection is cut', () => isCut)
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/deploys'), { status: 404, differences: '' })
  t.match(await callApi(started, 'DELETE', '/api/v1/webhooks/deploys'), { status: 404, differences: '' })
  timers.advance(TIMEOUT_MS)
  receiver.behave(200)
  const before = receiver.received[0]?.id.split('_')[1]
  await hook(started, 'deploys', VIEWS)
  await entries(started, 'three')
  await until('two deliveries arrive', () => receiver.received.length === 2)
  t.equal(receiver.received[1]?.body.event['view'], 'three')
  t.not(receiver.received[1]?.id.split('_')[1], before)
  await until('one delivery is listed', async () => (await deliveries(started, 'deploys')).length === 1) // the deliveries of the removed webhook are gone
  t.strictSame((await events(started)).slice(0, 2), [
    { kind: 'webhook-added', webhook: 'deploys', host: '127.0.0.1' },
    { kind: 'webhook-removed', webhook: 'deploys' },
  ])
})

test('the result of an attempt does not undo a change of the webhook meanwhile', async (t) => {
  const started = await scene(t)
  const { receiver, depot } = started
  await hook(started, 'deploys', VIEWS)
  const [first = 0] = await entries(started, 'one')
  await until(
    'the position is the first entry',
    async () => (await state(started, 'deploys'))['position'] === first,
  )
  const { key, version } = await depot.db.selectFrom('webhooks').selectAll().executeTakeFirstOrThrow()
  await change(started, 'deploys', { paused: true })
  const progress = {
    position: first + 5,
    replay: undefined,
    attempts: 3,
    nextAttemptAt: START,
    failingSince: START,
    pause: undefined,
  }
  const late = {
    sequence: first,
    attempt: 3,
    at: START,
    durationMs: 1,
    status: 500,
    error: 'answered 500',
    excerpt: '',
  }
  await depot.writer.submit({
    kind: 'saveDeliveries',
    input: { webhooks: [{ key, version, progress, deliveries: [late] }] },
    actor: { client: 'tests', door: 'cli' },
  })
  const row = await depot.db.selectFrom('webhooks').selectAll().executeTakeFirstOrThrow()
  t.match(row, { position: first, attempts: 0, failing_since: null, paused_why: 'asked' })
  t.match(await deliveries(started, 'deploys'), [{ attempt: 3 }, { attempt: 1 }])
  t.equal(receiver.received.length, 1)
})

test('after a new secret, the previous one also signs for a day', async (t) => {
  const started = await scene(t)
  const { receiver } = started
  const old = await hook(started, 'deploys', VIEWS)
  const answer = await callApi(started, 'POST', '/api/v1/webhooks/deploys/secrets')
  t.match(answer, {
    status: 201,
    differences: '',
    body: { webhook: 'deploys', secret: /^whsec_/, previous_secret_until: /^2026-01-02/ },
  })
  const secret = String(answer.body?.['secret'])
  await entries(started, 'one')
  await until('the first delivery arrives', () => receiver.received.length === 1)
  started.setClock(START + 25 * 3_600_000)
  await entries(started, 'two')
  await until('two deliveries arrive', () => receiver.received.length === 2)
  const [both, one] = receiver.received as [Received, Received]
  t.strictSame([verifies(old, both), verifies(secret, both)], [true, true])
  t.strictSame([verifies(old, one), verifies(secret, one)], [false, true])
  t.equal(String(one.headers['webhook-signature']).split(' ').length, 1)
})

test('neither database, ledger nor log has the secret, or more of the URL than its host', async (t) => {
  const started = await scene(t)
  const secret = await hook(started, 'deploys', { url: `${started.receiver.url}services/T0K3N?key=s3cr3t` })
  await change(started, 'deploys', { url: `${started.receiver.url}services/T0K3N?key=s3cr3t` })
  started.receiver.behave(500)
  await entries(started, 'one')
  await until('the next attempt waits for 5 s', () => started.timers.isWaiting(5_000))
  await deliveries(started, 'deploys')
  const rows = await Promise.all([
    started.depot.db.selectFrom('webhooks').selectAll().execute(),
    started.depot.db.selectFrom('webhook_deliveries').selectAll().execute(),
    started.depot.db.selectFrom('ledger').selectAll().execute(),
  ])
  t.notMatch(JSON.stringify([rows, started.logged]), /T0K3N|s3cr3t|whsec_/)
  t.notMatch(JSON.stringify([rows, started.logged]), new RegExp(secret.slice(6, 20).replaceAll('+', '\\+')))
  t.equal(started.receiver.received[0]?.path, '/services/T0K3N?key=s3cr3t')
})
