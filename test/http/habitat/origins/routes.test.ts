import tap, { test } from 'tap'
import { formatPublicKey } from '../../../../src/hart/origin-key.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { createFullOrigin, createTeam } from '../../../support/storage/full-origin.ts'
import { makeOrigin, promoteTo, publishAll } from '../../../support/origin.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 1.10, 3.3 and 6, Origins. expectations-origins.ts has the rights and the answers to wrong
// input.

const BASE = '/v1/depot/origins'
const ID = /^[1-9]\d*$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/

const create = (started: TestDepot, body: unknown, token?: string) =>
  callApi(started, 'POST', BASE, { body, ...(token !== undefined && { token }) })

/** The depot of tests that do not disturb each other. */
const shared = await startDepot(tap)

test('an origin can be created, shown and changed', async (t) => {
  const started = shared
  const made = await create(started, { name: 'acme' })
  t.match(made, {
    status: 201,
    differences: '',
    body: {
      name: 'acme',
      owner_id: ID,
      default_package_visibility: 'public',
      created_at: TIME,
      updated_at: TIME,
    },
  })
  t.strictSame(Object.keys(made.body ?? {}).toSorted(), [
    'created_at',
    'default_package_visibility',
    'name',
    'owner_id',
    'updated_at',
  ])
  t.match(await create(started, { name: 'acme' }), { status: 409, text: '' })

  const shown = {
    name: 'acme',
    owner_id: made.body?.['owner_id'],
    owner_account: 'admin',
    private_key_name: null,
    default_package_visibility: 'public',
  }
  t.match(await callApi(started, 'GET', `${BASE}/acme`, { token: null }), {
    status: 200,
    differences: '',
    body: shown,
  })
  t.match(
    await callApi(started, 'PUT', `${BASE}/acme`, { body: { default_package_visibility: 'private' } }),
    { status: 204, text: '' },
  )
  await callApi(started, 'POST', `${BASE}/acme/keys`)
  t.match(await callApi(started, 'GET', `/v1/origins/acme`), {
    body: { default_package_visibility: 'private', private_key_name: /^acme-20260101\d{6}$/ },
  })
})

test('an origin can be created with another default visibility', async (t) => {
  const started = await startDepot(t)
  t.match(await create(started, { name: 'acme', default_package_visibility: 'private' }), {
    status: 201,
    body: { default_package_visibility: 'private' },
  })
})

test('if creation is limited, other callers are refused before their body is read', async (t) => {
  const started = await startDepot(t, { environment: { DEPOT_ORIGIN_CREATORS: 'alice' } })
  const alice = await started.account('alice')
  const bob = await started.account('bob')
  t.match(await create(started, { name: 'hers' }, alice), { status: 201 })
  t.match(await create(started, { name: 'his' }, bob), { status: 403, text: '' })
  t.match(await create(started, '{', bob), { status: 403, text: '' })
})

test('only an empty origin can be deleted; the error names the first thing that remains', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  await makeReleases(started, 'acme/app/1.0.0/20260101000000')
  const owner = team.tokenOf('owner')
  const call = (method: 'DELETE' | 'POST', path: string) =>
    callApi(started, method, `/v1${path}`, { token: owner })
  const remains = async (text: string) =>
    t.match(await call('DELETE', '/depot/origins/acme'), { status: 409, text, differences: '' })
  await call('POST', '/depot/channels/acme/dev')

  await remains('There are 6 members remaining in origin acme.')
  for (const account of ['readonly_member', 'member', 'maintainer', 'administrator', 'mate'])
    await call('DELETE', `/depot/origins/acme/users/${account}`)
  await remains('There are 1 secrets remaining in origin acme.')
  await call('DELETE', '/depot/origins/acme/secret/password')
  await remains('There are 1 integrations remaining in origin acme.')
  await call('DELETE', '/depot/origins/acme/integrations/docker/hub')
  await remains('There are 3 channels remaining in origin acme. Only two are allowed [unstable, stable].')
  await call('DELETE', '/depot/channels/acme/dev')
  await remains('There are 1 packages remaining in origin acme.')
  t.match(await call('DELETE', '/settings/acme/app'), { status: 409, text: '' })
})

test('settings prevent a deletion; keys and invitations do not', async (t) => {
  const started = shared
  await create(started, { name: 'acme' })
  await started.account('bob')
  await callApi(started, 'POST', `${BASE}/acme/keys`)
  await callApi(started, 'POST', `${BASE}/acme/users/bob/invitations`)
  await callApi(started, 'POST', '/v1/settings/acme/app')
  t.match(await callApi(started, 'DELETE', `${BASE}/acme`), {
    status: 409,
    text: 'There are 1 package settings entries remaining in origin acme.',
  })
  await callApi(started, 'DELETE', '/v1/settings/acme/app')
  t.match(await callApi(started, 'DELETE', `${BASE}/acme`), { status: 204, text: '' })

  t.match(await callApi(started, 'GET', `${BASE}/acme`), { status: 404 })
  t.match(await callApi(started, 'GET', `${BASE}/acme/keys/latest`), { status: 404 })
  t.match(await callApi(started, 'GET', '/v1/depot/channels/acme'), { status: 200, text: '[]' })
  t.match(await callApi(started, 'GET', '/v1/user/origins'), { status: 200, text: '[]' })
  t.match(await callApi(started, 'DELETE', `${BASE}/acme`), { status: 404 })
})

test('the name of a deleted origin can be taken by another account, which then owns it', async (t) => {
  const started = await startDepot(t)
  const [alice, bob] = [await started.account('alice'), await started.account('bob')]
  await create(started, { name: 'acme' }, alice)
  t.match(await callApi(started, 'DELETE', `${BASE}/acme`, { token: alice }), { status: 204 })
  t.match(await create(started, { name: 'acme' }, bob), { status: 201 })
  t.match(await callApi(started, 'GET', `${BASE}/acme`), {
    body: { owner_account: 'bob', default_package_visibility: 'public' },
  })
  t.match(await callApi(started, 'GET', '/v1/depot/channels/acme'), {
    text: '[{"name":"stable"},{"name":"unstable"}]',
  })
  t.match(
    await callApi(started, 'PUT', `${BASE}/acme`, {
      token: alice,
      body: { default_package_visibility: 'private' },
    }),
    { status: 403 },
    'the former owner has no rights',
  )
})

test('the new owner of a deleted name sees nothing private from before', async (t) => {
  const started = await startDepot(t, { listen: true })
  const [alice, bob] = [await started.account('alice'), await started.account('bob')]
  const ident = 'acme/secret/1.0.0/20260101120000'
  await makeOrigin(started)
  await callApi(started, 'PUT', `${BASE}/acme`, { body: { default_package_visibility: 'private' } })
  const [hart] = await publishAll(started, ident)
  if (hart !== undefined) await promoteTo(started, 'base', hart)
  for (const gone of [`pkgs/${ident}`, 'settings/acme/secret', 'channels/acme/base', 'origins/acme']) {
    const { status } = await callApi(
      started,
      'DELETE',
      gone.startsWith('settings') ? `/v1/${gone}` : `/v1/depot/${gone}`,
    )
    t.ok(status === 200 || status === 204, gone)
  }
  const history = '/api/v1/views/base/history'
  t.match(await create(started, { name: 'acme' }, bob), { status: 201 })
  t.ok((await callApi(started, 'GET', history)).text.includes(ident), 'administrators of the depot do')
  for (const token of [alice, bob])
    t.notOk((await callApi(started, 'GET', history, { token })).text.includes('secret'))
})

test('an origin can be transferred to a member, and its former owner becomes a maintainer', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const owner = team.tokenOf('owner')
  t.match(await callApi(started, 'POST', `${BASE}/acme/transfer/administrator`, { token: owner }), {
    status: 204,
    text: '',
  })
  t.match(await callApi(started, 'GET', `${BASE}/acme`), {
    body: { owner_account: 'administrator', owner_id: String(team.idOf('administrator')) },
  })
  t.match(await callApi(started, 'GET', `${BASE}/acme/users/owner/role`), { body: { role: 'maintainer' } })
  t.match(await callApi(started, 'GET', `${BASE}/acme/users/administrator/role`), { body: { role: 'owner' } })
  t.match(await callApi(started, 'POST', `${BASE}/acme/transfer/mate`, { token: owner }), {
    status: 403,
    text: '',
  })
  t.match(
    await callApi(started, 'POST', `${BASE}/acme/transfer/owner`, { token: team.tokenOf('administrator') }),
    { status: 204 },
    'and back',
  )
})

test('members except the owner can leave an origin', async (t) => {
  const started = await startDepot(t)
  const team = await createTeam(started)
  await createFullOrigin(started, team, 'acme')
  const depart = (caller: Parameters<typeof team.tokenOf>[0], origin = 'acme') =>
    callApi(started, 'POST', `${BASE}/${origin}/depart`, { token: team.tokenOf(caller) })
  t.match(await depart('nobody'), { status: 401, text: '' })
  t.match(await depart('owner'), {
    status: 403,
    text: 'Departing the owner from the origin is not allowed',
    differences: '',
  })
  t.match(await depart('outsider'), {
    status: 422,
    text: 'outsider is not a member of the origin "acme"',
    differences: '',
  })
  t.match(await depart('owner', 'nowhere'), {
    status: 422,
    text: 'owner is not a member of the origin "nowhere"',
  })
  t.match(await depart('readonly_member'), { status: 204, text: '' })
  t.match(await depart('readonly_member'), { status: 422 })
  t.match(await callApi(started, 'GET', `${BASE}/acme/users`, { token: team.tokenOf('readonly_member') }), {
    status: 403,
  })
})

test('a token narrowed to another origin can neither leave nor decide about invitations', async (t) => {
  const started = shared
  const narrow = await started.account('narrow', { origins: ['elsewhere'] })
  const acme = { token: narrow }
  await create(started, { name: 'acme' })
  t.match(await callApi(started, 'POST', `${BASE}/acme/users/narrow/invitations`), { status: 201 })
  t.match(await callApi(started, 'PUT', `${BASE}/acme/invitations/1`, acme), { status: 403 })
  t.match(await callApi(started, 'POST', `${BASE}/acme/depart`, acme), { status: 403 })
})

test('`hab` gets the reason in its own JSON', async (t) => {
  const started = shared
  await create(started, { name: 'acme' })
  const headers = { 'user-agent': 'hab/2.1.78/20260801000000 (x86_64-linux; 6.1.0)' }
  t.match(await callApi(started, 'POST', `${BASE}/acme/depart`, { headers }), {
    status: 403,
    body: { code: 7, msg: 'admin owns acme' },
  })
})

test('new packages get the default visibility of their origin at the time of upload', async (t) => {
  const started = await startDepot(t, { listen: true })
  await create(started, { name: 'acme', default_package_visibility: 'private' })
  const { publicKey } = makeKeys('acme')
  t.match(
    await callApi(started, 'POST', `${BASE}/acme/keys/${publicKey.revision}`, {
      body: formatPublicKey(publicKey),
      headers: { 'content-type': 'text/plain' },
    }),
    { status: 201 },
  )
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  t.match(await callApi(started, 'GET', '/v1/depot/pkgs/acme/app/latest'), {
    status: 200,
    body: { visibility: 'private' },
  })
  t.match(await callApi(started, 'GET', '/v1/depot/pkgs/acme/app/latest', { token: null }), { status: 404 })
})
