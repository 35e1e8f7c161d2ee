import { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 6, Settings.

const BASE = '/v1/depot/origins/acme'
const ID = /^[1-9]\d*$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/

async function start(t: Parameters<typeof startDepot>[0]): Promise<TestDepot> {
  const started = await startDepot(t)
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'acme' } })
  return started
}

test('new settings get the default visibility of the origin and ignore the body', async (t) => {
  const started = await start(t)
  await callApi(started, 'PUT', BASE, { body: { default_package_visibility: 'private' } })
  const settings = {
    id: ID,
    origin: 'acme',
    name: 'app',
    visibility: 'private',
    owner_id: '1',
    hidden: false,
    created_at: TIME,
    updated_at: TIME,
  }
  t.match(await callApi(started, 'POST', '/v1/settings/acme/app', { body: { visibility: 'public' } }), {
    status: 201,
    differences: '',
    body: settings,
  })
  t.match(await callApi(started, 'POST', '/v1/settings/acme/app'), { status: 409, text: '' })
  t.match(await callApi(started, 'GET', '/v1/settings/acme/app'), {
    status: 200,
    differences: '',
    body: settings,
  })
  t.match(await callApi(started, 'PUT', '/v1/settings/acme/app', { body: { visibility: 'public' } }), {
    status: 200,
    differences: '',
    body: { ...settings, visibility: 'public' },
  })
  t.match(await callApi(started, 'DELETE', '/v1/settings/acme/app'), { status: 204, text: '' })
  t.match(await callApi(started, 'GET', '/v1/settings/acme/app'), { status: 404, text: '' })
})

test('the first upload of a package creates its settings, and later ones use them', async (t) => {
  const started = await start(t)
  await makeReleases(started, 'acme/app/1.0.0/20260101000000')
  t.match(await callApi(started, 'GET', '/v1/settings/acme/app'), {
    status: 200,
    body: { visibility: 'public', owner_id: '1' },
  })
  t.match(await callApi(started, 'DELETE', '/v1/settings/acme/app'), { status: 409, text: '' })
  await callApi(started, 'PUT', '/v1/settings/acme/app', { body: { visibility: 'private' } })
  await makeReleases(started, 'acme/app/2.0.0/20260101000000')
  t.match(
    await callApi(started, 'GET', '/v1/depot/pkgs/acme/app/1.0.0/20260101000000'),
    { body: { visibility: 'public' } },
    'the published release is unchanged',
  )
  t.match(await callApi(started, 'GET', '/v1/depot/pkgs/acme/app/2.0.0/20260101000000'), {
    body: { visibility: 'private' },
  })
})

test('the packages of an origin are listed by their settings, and other callers see only the public ones', async (t) => {
  const started = await start(t)
  const names = Array.from({ length: 51 }, (_, index) => `p${String(index).padStart(2, '0')}`)
  for (const name of names.toReversed()) await callApi(started, 'POST', `/v1/settings/acme/${name}`)
  await callApi(started, 'PUT', '/v1/settings/acme/p00', { body: { visibility: 'private' } })

  const first = await callApi(started, 'GET', '/v1/depot/acme/pkgs')
  t.match(first, { status: 206, differences: '', body: { range_start: 0, range_end: 49, total_count: 51 } })
  t.strictSame(namesIn(first.body), names.slice(0, 50))
  const second = await callApi(started, 'GET', '/v1/depot/acme/pkgs?range=50')
  t.match(second, {
    status: 200,
    body: {
      range_start: 50,
      range_end: 50,
      total_count: 51,
      data: [{ id: ID, origin: 'acme', name: 'p50', visibility: 'public' }],
    },
  })
  t.match(await callApi(started, 'GET', '/v1/depot/acme/pkgs', { token: null }), {
    status: 200,
    body: { total_count: 50, data: [{ name: 'p01' }] },
  })
  t.match(await callApi(started, 'GET', '/v1/depot/nowhere/pkgs', { token: null }), {
    status: 200,
    body: { range_start: 0, range_end: 0, total_count: 0, data: [] },
  })
})

function namesIn(body: unknown): string[] {
  return (body as { data: { name: string }[] }).data.map(({ name }) => name)
}
