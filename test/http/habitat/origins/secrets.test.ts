import { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 1.10 and 3.3: `hab` before 2.0.284 lists, adds and deletes secrets like this.

const BASE = '/v1/depot/origins/acme'
const ID = /^[1-9]\d*$/

async function start(t: Parameters<typeof startDepot>[0]): Promise<TestDepot> {
  const started = await startDepot(t)
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'acme' } })
  return started
}

test('secrets are returned unchanged, by name', async (t) => {
  const started = await start(t)
  const box = 'BOX-1\nacme-20260101120000\n\n0V5TcW8=\nq83vEjRW'
  t.match(await callApi(started, 'POST', `${BASE}/secret`, { body: { name: 'b', value: box } }), {
    status: 201,
    text: '',
  })
  t.match(await callApi(started, 'POST', `${BASE}/secret`, { body: { name: 'a', value: 'plain' } }), {
    status: 201,
  })
  t.match(await callApi(started, 'POST', `${BASE}/secret`, { body: { name: 'a', value: 'other' } }), {
    status: 409,
    text: '',
  })
  t.match(await callApi(started, 'GET', `${BASE}/secret`), {
    status: 200,
    differences: '',
    body: [
      { id: ID, origin_id: ID, name: 'a', value: 'plain' },
      { id: ID, origin_id: ID, name: 'b', value: box },
    ],
  })
  t.match(await callApi(started, 'DELETE', `${BASE}/secret/a`), { status: 200, text: '' })
  t.match(await callApi(started, 'DELETE', `${BASE}/secret/a`), { status: 200, text: '' })
  t.match(await callApi(started, 'GET', `${BASE}/secret`), { body: [{ name: 'b' }] })
})
