import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { CLIENT_ID, startIdentityProvider } from '../../../support/signin/identity-provider.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const real = await startIdentityProvider(tap)
const started = await startDepot(tap, {
  environment: {
    DEPOT_ISSUER_NETWORKS: '127.0.0.0/8',
    DEPOT_OIDC_ISSUER: real.issuer,
    DEPOT_OIDC_CLIENT_ID: CLIENT_ID,
    DEPOT_OIDC_SCOPES: 'openid profile groups',
    DEPOT_OIDC_NEW_ACCOUNTS: 'on',
    DEPOT_ANONYMOUS: 'none',
  },
})
const [IDENT, NEXT] = ['acme/app/1.0.0/20260101000000', 'acme/app/1.1.0/20260102000000']
await makeReleases(started, IDENT, NEXT)

type Answer = Awaited<ReturnType<typeof callApi>>

/** Signs a person in, and returns the last answer of the depot. */
async function signIn(subject: string): Promise<Answer> {
  const begun = await callApi(started, 'POST', '/api/v1/device-authorizations', { token: null })
  const { device_code: code, complete_url: url } = begun.body ?? {}
  await real.signIn(String(url), subject)
  return finish(code)
}

const finish = (code: unknown) =>
  callApi(started, 'POST', '/api/v1/device-tokens', { token: null, body: { device_code: code } })
const tokenOf = async (subject: string) => String((await signIn(subject)).body?.['token'])
const whoAmI = async (token: string) => (await callApi(started, 'GET', '/api/v1/whoami', { token })).body
const setGroup = (group: string, role: string, token?: string) =>
  callApi(started, 'PUT', `/api/v1/origins/acme/groups/${encodeURIComponent(group)}`, {
    body: { role },
    ...(token !== undefined && { token }),
  })
const promote = (token: string) =>
  callApi(started, 'POST', '/api/v1/views/delivered/promotions', { token, body: { releases: [IDENT] } })

test('a person signs in on another device, also to a closed depot, and gets an account', async (t) => {
  real.people.set('1', { preferred_username: 'jane', groups: ['payments'] })
  const begun = await callApi(started, 'POST', '/api/v1/device-authorizations', { token: null })
  t.match(begun, { status: 201, differences: '', headers: { 'cache-control': 'no-store' } })
  const { device_code: code, complete_url: url } = begun.body ?? {}
  t.match(await finish(code), { status: 200, differences: '', body: { state: 'pending', token: null } })
  await real.signIn(String(url), '1')
  const done = await finish(code)
  t.match(done, {
    status: 200,
    differences: '',
    body: { state: 'done', account: 'jane', groups: ['payments'] },
  })
  const lifetimeMs = Date.parse(String(done.body?.['expires_at'])) - started.depot.now()
  t.ok(lifetimeMs > 11 * 3_600_000 && lifetimeMs <= 12 * 3_600_000)
  t.match(await whoAmI(String(done.body?.['token'])), {
    account: 'jane',
    groups: ['payments'],
    administrator: false,
  })
  t.match(await finish(code), { status: 401 })
})

test('the account stays with the person, whatever the person is called', async (t) => {
  real.people.set('1', { preferred_username: 'jane-smith' })
  t.match((await signIn('1')).body, { account: 'jane' })
})

test('an existing account is never taken by its name, but an administrator can bind it', async (t) => {
  await started.account('root')
  real.people.set('2', { preferred_username: 'root' })
  for (const name of ['admin', 'root', 'jane']) {
    real.people.set('2', { preferred_username: name })
    t.match(await signIn('2'), { status: 409, body: { code: 'conflict' } }, name)
  }
  real.people.set('3', {})
  t.match(await signIn('3'), { status: 409 }, 'without a name')
  const identities = '/api/v1/accounts/root/identities'
  t.match(await callApi(started, 'PUT', identities, { body: { subject: '2' } }), { status: 204 })
  t.match(
    await callApi(started, 'PUT', identities, { body: { subject: '2' } }),
    { status: 204 },
    'safe to repeat',
  )
  t.match((await signIn('2')).body, { account: 'root' })
  t.match(await callApi(started, 'PUT', '/api/v1/accounts/jane/identities', { body: { subject: '2' } }), {
    status: 409,
  })
  t.match(await callApi(started, 'GET', identities), {
    differences: '',
    body: { account: 'root', identities: [{ issuer: real.issuer, subject: '2' }] },
  })
  t.match(await callApi(started, 'DELETE', `${identities}?subject=2`), { status: 204 })
  t.match(await signIn('2'), { status: 409 })
  t.match(await callApi(started, 'DELETE', `${identities}?subject=2`), { status: 404 })
})

test('only administrators bind accounts, with tokens that are not narrowed', async (t) => {
  const jane = await tokenOf('1')
  const narrowed = (await callApi(started, 'POST', '/api/v1/tokens', { body: { actions: ['manage'] } })).body
  for (const token of [jane, String(narrowed?.['secret'])])
    t.match(
      await callApi(started, 'PUT', '/api/v1/accounts/admin/identities', { token, body: { subject: '1' } }),
      { status: 403 },
    )
})

test('groups give roles, the highest one counts, and they end at once', async (t) => {
  real.people.set('4', { preferred_username: 'dev', groups: ['payments', 'ops/release'] })
  const token = await tokenOf('4')
  t.strictSame((await whoAmI(token))?.['roles'], {})
  t.match(await setGroup('payments', 'maintainer'), { status: 200, differences: '', body: { changed: true } })
  await setGroup('ops/release', 'member')
  t.strictSame((await whoAmI(token))?.['roles'], { acme: 'maintainer' })
  t.match(await callApi(started, 'GET', '/api/v1/origins/acme/groups', { token }), {
    differences: '',
    body: {
      groups: [
        { group: 'ops/release', role: 'member' },
        { group: 'payments', role: 'maintainer' },
      ],
    },
  })
  t.match(await setGroup('payments', 'administrator', token), { status: 403 })
  await callApi(started, 'DELETE', '/api/v1/origins/acme/groups/payments')
  t.strictSame((await whoAmI(token))?.['roles'], { acme: 'member' })
  t.match(await callApi(started, 'DELETE', '/api/v1/origins/acme/groups/payments'), { status: 404 })
  real.people.set('4', { preferred_username: 'dev' })
  t.strictSame((await whoAmI(await tokenOf('4')))?.['roles'], {}, 'a later sign-in without the group')
})

test('groups belong to the token: other tokens of the account have none, and tokens made with it have them', async (t) => {
  real.people.set('4', { preferred_username: 'dev', groups: ['payments'] })
  const token = await tokenOf('4')
  const own = await callApi(started, 'POST', '/api/v1/tokens', { token, body: {} })
  t.match(await whoAmI(String(own.body?.['secret'])), { groups: ['payments'], token: { expires_at: String } })
  const local = await callApi(started, 'POST', '/api/v1/tokens', { body: { account: 'dev' } })
  t.match(await whoAmI(String(local.body?.['secret'])), { account: 'dev', groups: [] })
})

test('the rules of a view name groups', async (t) => {
  await callApi(started, 'POST', '/api/v1/views', { body: { name: 'delivered' } })
  const set = (body: object) => callApi(started, 'PUT', '/api/v1/views/delivered/gates', { body })
  t.match(await set({ promoters: ['group:'] }), { status: 400 })
  t.match(await set({ promoters: ['group:payments'], overriders: ['group:ops'] }), { status: 200 })
  real.people.set('5', { preferred_username: 'paula', groups: ['payments'] })
  real.people.set('6', { preferred_username: 'otto', groups: ['Payments', 'group:payments', 'ops'] })
  const [paula, otto] = [await tokenOf('5'), await tokenOf('6')]
  t.match(await promote(otto), { status: 403 })
  t.match(await promote(paula), { status: 200 })
  await set({ promoters: null, approval: { approvers: ['group:payments'] } })
  await setGroup('ops', 'maintainer')
  const proposal = await callApi(started, 'POST', '/api/v1/views/delivered/proposals', {
    token: otto,
    body: { releases: [NEXT] },
  })
  t.equal(proposal.status, 201, proposal.text)
  const approve = (token: string) =>
    callApi(started, 'POST', `/api/v1/plans/${String(proposal.body?.['plan'])}/approve`, { token })
  t.match(await approve(otto), { status: 409 })
  t.match(await approve(paula), { status: 200 })
})

test('a disabled account cannot sign in, and a depot without single sign-on says so', async (t) => {
  await callApi(started, 'PATCH', '/api/v1/accounts/jane', { body: { disabled: true } })
  t.match(await signIn('1'), { status: 409 })
  const none = await startDepot(t)
  t.match(await callApi(none, 'POST', '/api/v1/device-authorizations', { token: null }), { status: 404 })
})
