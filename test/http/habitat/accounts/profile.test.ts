import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// habitat-today.md 3.4 and 6, Profile.

const TOKENS = '/v1/profile/access-tokens'
const ID = /^[1-9]\d*$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/

/** The depot of tests that do not disturb each other. */
const shared = await startDepot(tap)

test('a profile has the id of its account and an email address that can be changed', async (t) => {
  const started = shared
  const bob = await started.account('bob')
  await callApi(started, 'POST', '/v1/depot/origins', { token: bob, body: { name: 'acme' } })
  const profile = await callApi(started, 'GET', '/v1/profile', { token: bob })
  t.match(profile, {
    status: 200,
    differences: '',
    body: { id: ID, name: 'bob', email: '', created_at: TIME, updated_at: TIME },
  })
  t.match(await callApi(started, 'GET', '/v1/depot/origins/acme'), {
    body: { owner_id: profile.body?.['id'] },
  })
  t.match(
    await callApi(started, 'PATCH', '/v1/profile', { token: bob, body: { email: 'bob@example.com' } }),
    { status: 200, text: '' },
  )
  t.match(await callApi(started, 'GET', '/v1/profile', { token: bob }), {
    body: { email: 'bob@example.com' },
  })
  const texts = await started.depot.db.selectFrom('ledger').select('text').execute()
  t.notMatch(JSON.stringify(texts), /example\.com/, 'the ledger, which forgets nothing, does not keep it')
})

test('an account has one profile token, which is shown once and replaced by the next', async (t) => {
  const started = await startDepot(t)
  const bob = await started.account('bob')
  t.match(await callApi(started, 'GET', TOKENS, { token: bob }), {
    status: 200,
    differences: '',
    text: '{"tokens":[]}',
  })

  const first = await callApi(started, 'POST', TOKENS, { token: bob })
  t.match(first, {
    status: 200,
    differences: '',
    body: { id: ID, account_id: ID, token: /^hart_\S{40,}$/, created_at: TIME },
  })
  const token = String(first.body?.['token'])
  t.match(await callApi(started, 'GET', '/v1/profile', { token }), { status: 200, body: { name: 'bob' } })
  const listed = await callApi(started, 'GET', TOKENS, { token: bob })
  t.match(listed, {
    status: 200,
    differences: '',
    body: { tokens: [{ id: first.body?.['id'], account_id: first.body?.['account_id'], token: '********' }] },
  })

  const second = await callApi(started, 'POST', TOKENS, { token })
  t.match(
    await callApi(started, 'GET', '/v1/profile', { token }),
    { status: 401, text: '' },
    'the one before is gone',
  )
  t.match(await callApi(started, 'GET', '/v1/profile', { token: String(second.body?.['token']) }), {
    status: 200,
  })
  t.match(
    await callApi(started, 'GET', '/v1/profile', { token: bob }),
    { status: 200 },
    'others of the account stay',
  )
})

test('an account can revoke its own tokens and no others', async (t) => {
  const started = await startDepot(t)
  const [bob, eve] = [await started.account('bob'), await started.account('eve')]
  const made = await callApi(started, 'POST', TOKENS, { token: bob })
  const path = `${TOKENS}/${String(made.body?.['id'])}`
  t.match(await callApi(started, 'DELETE', path, { token: eve }), {
    status: 401,
    text: 'Unauthorized access.',
    differences: '',
  })
  t.match(await callApi(started, 'GET', '/v1/profile', { token: String(made.body?.['token']) }), {
    status: 200,
  })
  t.match(await callApi(started, 'DELETE', path, { token: bob }), { status: 200, text: '', differences: '' })
  t.match(await callApi(started, 'GET', '/v1/profile', { token: String(made.body?.['token']) }), {
    status: 401,
  })
  t.match(await callApi(started, 'DELETE', path, { token: bob }), {
    status: 401,
    text: 'Unauthorized access.',
  })
  t.match(await callApi(started, 'GET', TOKENS, { token: bob }), { text: '{"tokens":[]}' })
})

test('a narrowed token cannot make tokens', async (t) => {
  const started = shared
  const narrow = await started.account('narrow', { actions: ['read', 'manage'], origins: ['acme'] })
  t.match(await callApi(started, 'POST', TOKENS, { token: narrow }), { status: 403, text: '' })
  t.match(await callApi(started, 'DELETE', `${TOKENS}/1`, { token: narrow }), { status: 403, text: '' })
})

test('the origins of an account are listed by name, with their number of packages', async (t) => {
  const started = await startDepot(t)
  const bob = await started.account('bob')
  await callApi(started, 'POST', '/v1/depot/origins', { token: bob, body: { name: 'zeta' } })
  await callApi(started, 'POST', '/v1/depot/origins', { token: bob, body: { name: 'acme' } })
  await callApi(started, 'POST', '/v1/depot/origins', { body: { name: 'others' } })
  await callApi(started, 'POST', '/v1/settings/acme/nothing-yet', { token: bob })
  await makeReleases(
    started,
    'acme/app/1.0.0/20260101000000',
    'acme/app/2.0.0/20260101000000',
    'acme/web/1.0.0/20260101000000',
  )
  const origin = { owner_id: ID, created_at: TIME, updated_at: TIME, default_package_visibility: 'public' }
  const answer = await callApi(started, 'GET', '/v1/user/origins', { token: bob })
  t.match(answer, {
    status: 200,
    differences: '',
    body: [
      { ...origin, name: 'acme', package_count: 2 },
      { ...origin, name: 'zeta', package_count: 0 },
    ],
  })
  t.notMatch(answer.text, /others/)
})
