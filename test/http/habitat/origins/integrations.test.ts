import { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 6, Integrations.

const BASE = '/v1/depot/origins/acme'

async function start(t: Parameters<typeof startDepot>[0]): Promise<TestDepot> {
  const started = await startDepot(t)
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'acme' } })
  return started
}

test('integrations are listed by type and shown without their password', async (t) => {
  const started = await start(t)
  const body = { username: 'us', password: 'hunter2', url: { host: 'hub.example.com' } }
  for (const place of ['docker/quay', 'docker/hub', 'azure/acr'])
    t.match(
      await callApi(started, 'PUT', `${BASE}/integrations/${place}`, { body }),
      { status: 201, text: '' },
      place,
    )
  t.match(await callApi(started, 'PUT', `${BASE}/integrations/docker/hub`, { body: { username: 'them' } }), {
    status: 409,
    text: '',
  })

  t.match(await callApi(started, 'GET', `${BASE}/integrations`), {
    status: 200,
    differences: '',
    text: '{"azure":["acr"],"docker":["hub","quay"]}',
  })
  t.match(await callApi(started, 'GET', `${BASE}/integrations/docker/names`), {
    status: 200,
    differences: '',
    text: '{"names":["hub","quay"]}',
  })
  t.match(await callApi(started, 'GET', `${BASE}/integrations/none/names`), {
    status: 200,
    text: '{"names":[]}',
  })
  const one = await callApi(started, 'GET', `${BASE}/integrations/docker/hub`)
  t.match(one, { status: 200, differences: '' })
  t.strictSame(one.body, {
    origin: 'acme',
    integration: 'docker',
    name: 'hub',
    body: { username: 'us', url: { host: 'hub.example.com' } },
  })

  t.match(await callApi(started, 'DELETE', `${BASE}/integrations/docker/hub`), { status: 204, text: '' })
  t.match(await callApi(started, 'GET', `${BASE}/integrations/docker/hub`), { status: 404, text: '' })
  t.match(await callApi(started, 'GET', `${BASE}/integrations/docker/names`), { text: '{"names":["quay"]}' })
})

test('an origin without integrations has an empty object', async (t) => {
  const started = await start(t)
  t.match(await callApi(started, 'GET', `${BASE}/integrations`), { status: 200, text: '{}' })
})
