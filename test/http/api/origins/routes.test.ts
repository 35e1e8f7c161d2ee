import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
await makeReleases(started, 'acme/app/1.0.0/20260101000000')
const boss = await started.account('boss')
const dev = await started.account('dev')
const members = '/api/v1/origins/acme/members'
await callApi(started, 'PUT', `${members}/boss`, { body: { role: 'administrator' } })

test('everyone sees an origin, and only its members see the members', async (t) => {
  t.match(await callApi(started, 'GET', '/api/v1/origins/acme', { token: null }), {
    status: 200,
    differences: '',
    body: { name: 'acme', owner: 'admin', default_visibility: 'public' },
  })
  t.match(await callApi(started, 'GET', '/api/v1/origins/nowhere'), { status: 404, differences: '' })
  t.match(await callApi(started, 'GET', members, { token: null }), { status: 401, differences: '' })
  t.match(await callApi(started, 'GET', members, { token: dev }), { status: 403, differences: '' })
  t.match(await callApi(started, 'GET', members, { token: boss }), {
    status: 200,
    differences: '',
    body: {
      members: [
        { account: 'admin', role: 'owner' },
        { account: 'boss', role: 'administrator' },
      ],
    },
  })
})

test('lists of members have pages', async (t) => {
  const first = await callApi(started, 'GET', `${members}?limit=1`)
  t.match(first.body, { members: [{ account: 'admin' }], next: /cursor=/ })
  t.match(await callApi(started, 'GET', String(first.body?.['next'])), {
    differences: '',
    body: { members: [{ account: 'boss' }] },
  })
})

test('an administrator of an origin can give, change and remove roles', async (t) => {
  const put = async (role: string) =>
    callApi(started, 'PUT', `${members}/dev`, { token: boss, body: { role } })
  t.match(await put('member'), {
    status: 200,
    differences: '',
    body: { origin: 'acme', account: 'dev', role: 'member', changed: true },
  })
  t.match(await put('maintainer'), { body: { changed: true } })
  t.match(await put('maintainer'), { body: { changed: false } })
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token: dev }), {
    differences: '',
    body: { account: 'dev', roles: { acme: 'maintainer' } },
  })
  t.match(await callApi(started, 'DELETE', `${members}/dev`, { token: boss }), {
    status: 204,
    text: '',
    differences: '',
  })
  t.match(await callApi(started, 'DELETE', `${members}/dev`, { token: boss }), {
    status: 404,
    differences: '',
  })
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token: dev }), { body: { roles: {} } })
})

test('only administrators change members, and nobody changes the owner', async (t) => {
  t.match(await callApi(started, 'PUT', `${members}/dev`, { token: null, body: { role: 'member' } }), {
    status: 401,
  })
  t.match(await callApi(started, 'PUT', `${members}/dev`, { token: dev, body: { role: 'member' } }), {
    status: 403,
    differences: '',
  })
  t.match(await callApi(started, 'DELETE', `${members}/boss`, { token: dev }), {
    status: 403,
    differences: '',
  })
  t.match(await callApi(started, 'PUT', `${members}/admin`, { token: boss, body: { role: 'member' } }), {
    status: 409,
    differences: '',
  })
  t.match(await callApi(started, 'PUT', `${members}/dev`, { token: boss, body: { role: 'owner' } }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/role' }] },
  })
  t.match(await callApi(started, 'PUT', `${members}/nobody`, { token: boss, body: { role: 'member' } }), {
    status: 404,
    differences: '',
  })
})

test('a body is optional where no field is needed', async (t) => {
  await callApi(started, 'PUT', `${members}/dev`, { body: { role: 'member' } })
  t.match(
    await callApi(started, 'DELETE', `${members}/dev`, { headers: { 'content-type': 'application/json' } }),
    { status: 204 },
  )
})

test('whoami shows the rights of a token', async (t) => {
  const narrow = await started.account('narrow', {
    actions: ['read', 'promote'],
    origins: ['elsewhere'],
    views: ['delivered'],
  })
  await callApi(started, 'PUT', `${members}/narrow`, { body: { role: 'maintainer' } })
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token: narrow }), {
    status: 200,
    differences: '',
    body: {
      account: 'narrow',
      administrator: false,
      token: { expires_at: null, actions: ['read', 'promote'], origins: ['elsewhere'], views: ['delivered'] },
      roles: {},
    },
  })
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token: null }), { status: 401, differences: '' })
  t.match(await callApi(started, 'GET', '/api/v1/whoami'), {
    body: { administrator: true, token: { actions: null } },
  })
})

test('Basic authentication takes the token as password, with any user', async (t) => {
  const authorization = `Basic ${Buffer.from(`anyone:${boss}`).toString('base64')}`
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token: null, headers: { authorization } }), {
    status: 200,
    body: { account: 'boss' },
  })
})

test('changes of members are logged with their author', async (t) => {
  t.match(started.logged.filter((line) => line['method'] === 'DELETE' && line['status'] === 204).at(0), {
    account: 'boss',
    subject: 'dev out of acme',
  })
})
