import { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 1.10 and 6, Members: `hab` decodes ids as strings, and times without a zone.

const INVITATIONS = '/v1/depot/origins/acme/invitations'
const ID = /^[1-9]\d*$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?$/

/** Makes an origin of the administrator and invites bob. */
async function inviteBob(started: TestDepot) {
  const bob = await started.account('bob')
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'acme' } })
  const sent = await callApi(started, 'POST', '/v1/depot/origins/acme/users/bob/invitations')
  return { bob, sent, id: String(sent.body?.['id']) }
}

test('an invitation is sent, listed on both sides and accepted', async (t) => {
  const started = await startDepot(t)
  const { bob, sent, id } = await inviteBob(started)
  const invitation = {
    id: ID,
    account_id: ID,
    account_name: 'bob',
    owner_id: '1',
    origin: 'acme',
    ignored: false,
    created_at: TIME,
    updated_at: TIME,
  }
  t.match(sent, { status: 201, differences: '', body: invitation })
  t.match(await callApi(started, 'GET', INVITATIONS), {
    status: 200,
    differences: '',
    body: { origin: 'acme', invitations: [invitation] },
  })
  t.match(await callApi(started, 'GET', '/v1/user/invitations', { token: bob }), {
    status: 200,
    differences: '',
    body: [invitation],
  })
  t.match(await callApi(started, 'GET', '/v1/user/invitations'), { text: '[]' }, 'of others nothing')

  t.match(await callApi(started, 'PUT', `${INVITATIONS}/${id}`, { token: bob }), { status: 204, text: '' })
  t.match(await callApi(started, 'GET', '/v1/depot/origins/acme/users/bob/role'), {
    body: { role: 'readonly_member' },
  })
  t.match(await callApi(started, 'GET', '/v1/user/invitations', { token: bob }), { text: '[]' })
  t.match(await callApi(started, 'GET', INVITATIONS, { token: bob }), {
    status: 200,
    body: { invitations: [] },
  })
  t.match(await callApi(started, 'PUT', `${INVITATIONS}/${id}`, { token: bob }), { status: 404 })
})

test('an ignored invitation is shown only to the origin, and can still be accepted', async (t) => {
  const started = await startDepot(t)
  const { bob, id } = await inviteBob(started)
  t.match(await callApi(started, 'PUT', `${INVITATIONS}/${id}/ignore`, { token: bob }), {
    status: 204,
    text: '',
  })
  t.match(await callApi(started, 'GET', '/v1/user/invitations', { token: bob }), { text: '[]' })
  t.match(await callApi(started, 'GET', INVITATIONS), { body: { invitations: [{ id, ignored: true }] } })
  t.match(await callApi(started, 'PUT', `${INVITATIONS}/${id}`, { token: bob }), { status: 204 })
})

test('a rescinded invitation is gone, and can be sent again', async (t) => {
  const started = await startDepot(t)
  const { bob, id } = await inviteBob(started)
  t.match(await callApi(started, 'DELETE', `${INVITATIONS}/${id}`), { status: 204, text: '' })
  t.match(await callApi(started, 'GET', '/v1/user/invitations', { token: bob }), { text: '[]' })
  t.match(await callApi(started, 'POST', '/v1/depot/origins/acme/users/bob/invitations'), { status: 201 })
})

test('only the invited account and maintainers may use an invitation', async (t) => {
  const started = await startDepot(t)
  const { id } = await inviteBob(started)
  const eve = await started.account('eve')
  for (const [method, end] of [
    ['PUT', ''],
    ['PUT', '/ignore'],
    ['DELETE', ''],
  ] as const) {
    t.match(
      await callApi(started, method, `${INVITATIONS}/${id}${end}`, { token: eve }),
      { status: 403, text: '' },
      `${method} ${end}`,
    )
    t.match(
      await callApi(started, method, `${INVITATIONS}/${id}${end}`, { token: null }),
      { status: 401, text: '' },
      `${method} ${end}`,
    )
  }
  t.match(
    await callApi(started, 'PUT', `/v1/depot/origins/other/invitations/${id}`),
    { status: 404 },
    'it is found in its own origin alone',
  )
  t.match(
    await callApi(started, 'PUT', `${INVITATIONS}/${id}`),
    { status: 204 },
    'a maintainer accepts for them',
  )
  t.match(await callApi(started, 'GET', '/v1/depot/origins/acme/users'), {
    body: { members: ['admin', 'bob'] },
  })
})
