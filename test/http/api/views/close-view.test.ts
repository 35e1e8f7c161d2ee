import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
const member = await started.account('member')
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000')

const close = (view: string, token?: string) =>
  callApi(started, 'DELETE', `/api/v1/views/${view}`, token === undefined ? {} : { token })
const poll = async (view: string) =>
  (await started.app.inject(`/v1/depot/channels/acme/${view}/pkgs/app/latest`)).statusCode

test('an empty view is closed, keeps its history, and continues when it is created again', async (t) => {
  await makeView(started, 'train', 'promoted')
  await move(started, 'promote', 'train', releases)
  t.match(await close('train'), { status: 409, differences: '', body: { code: 'conflict' } })
  t.equal(await poll('train'), 200)
  await callApi(started, 'POST', '/api/v1/views/train/rollbacks', { body: { to: 0 } })
  t.match(await close('train', member), { status: 403 })
  t.match(await close('train'), { status: 204, differences: '' })
  t.match(await close('train'), { status: 404 })
  t.match(await callApi(started, 'GET', '/api/v1/views/train/history'), {
    body: { revisions: { length: 2 } },
  })
  const below = await started.app.inject('/v1/depot/views/train/pkgs/acme/app/latest')
  t.not(below.statusCode, 200)
  t.match(await callApi(started, 'POST', '/api/v1/views', { body: { name: 'train' } }), {
    status: 201,
    body: { revision: 2 },
  })
  t.match((await callApi(started, 'GET', '/api/v1/events?kind=view-closed')).body, {
    events: [{ event: { view: 'train' } }],
  })
})

test('a view that is frozen, required or a channel of every origin is not closed', async (t) => {
  await makeView(started, 'first', 'promoted')
  await makeView(started, 'second', 'promoted')
  await callApi(started, 'PUT', '/api/v1/views/second/gates', { body: { requires: [{ view: 'first' }] } })
  t.match(await close('first'), { status: 409, body: { code: 'conflict' } })
  await callApi(started, 'PUT', '/api/v1/views/second/freeze', { body: { reason: 'audit' } })
  t.match(await close('second'), { status: 409, body: { code: 'refused', detail: /audit/ } })
  await callApi(started, 'DELETE', '/api/v1/views/second/freeze')
  t.match(await close('second'), { status: 204 })
  t.match(await close('first'), { status: 204 })
  t.match(await close('stable'), { status: 409, body: { code: 'refused' } })
  t.match(await close('nowhere'), { status: 404 })
})

test('a view made by a Habitat client stays with its last channel removed if something keeps it open', async (t) => {
  const { writer } = started.depot
  const actor = { client: 'tests', door: 'cli' } as const
  const channel = async (kind: 'declareChannel' | 'removeChannel', name: string) =>
    writer.submit({ kind, input: { origin: 'acme', name, ownerId: 1 }, actor })
  const isOpen = async (name: string) =>
    (await callApi(started, 'GET', `/api/v1/views/${name}`)).body?.['closed_at'] === null
  for (const name of ['required', 'frozen', 'free']) await channel('declareChannel', name)
  await makeView(started, 'third', 'promoted')
  const rules = { requires: [{ view: 'required' }] }
  await callApi(started, 'PUT', '/api/v1/views/third/gates', { body: rules })
  await channel('removeChannel', 'required')
  t.ok(await isOpen('required'), 'the rules of another view require it')
  await callApi(started, 'PUT', '/api/v1/freeze', { body: { reason: 'audit' } })
  await channel('removeChannel', 'frozen')
  t.ok(await isOpen('frozen'), 'all views are frozen')
  await callApi(started, 'DELETE', '/api/v1/freeze')
  await channel('removeChannel', 'free')
  t.notOk(await isOpen('free'))
})
