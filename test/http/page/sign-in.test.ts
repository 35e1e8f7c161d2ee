import { test } from 'tap'
import { FormBrowser, HTML } from '../../support/browser/form-browser.ts'
import { startLyingDepot } from '../../support/faults/lying-depot.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { ADMIN_TOKEN, startDepot } from '../../support/start-depot.ts'

const started = await startDepot(fileTest())
const { app, depot } = started

test('a token signs in, and the session has its account', async (t) => {
  const browser = new FormBrowser(app)
  const answer = await browser.signIn(await started.account('jane'), '/account?x=1')
  t.equal(answer.statusCode, 303)
  t.equal(answer.headers.location, '/account?x=1')
  const [cookie] = answer.cookies.filter(({ name }) => name === 'hart-depot-session')
  t.match(cookie, { httpOnly: true, sameSite: 'Lax', path: '/' })
  t.match((await browser.get('/account')).body, '<h1>jane</h1>')
})

test('cookies are Secure behind TLS', async (t) => {
  const tls = await startDepot(t, { environment: { DEPOT_PUBLIC_URL: 'https://depot.example' } })
  const answer = await tls.app.inject({ url: '/sign-in', headers: HTML })
  t.match(answer.cookies, [{ name: 'hart-depot-visitor', secure: true, httpOnly: true }])
})

test('a wrong token does not sign in, nor does one that reads only some views', async (t) => {
  const browser = new FormBrowser(app)
  t.equal((await browser.signIn('wrong')).statusCode, 401)
  const supervisor = await started.account('supervisor', { actions: ['read'], views: ['delivered'] })
  const refused = await browser.signIn(supervisor)
  t.equal(refused.statusCode, 401)
  t.match(refused.body, /role="alert"/)
  t.notOk(browser.cookies.has('hart-depot-session'))
})

test('an Authorization header does not sign in to the page, nor a session to the API', async (t) => {
  const basic = `Basic ${Buffer.from(`x:${ADMIN_TOKEN}`).toString('base64')}`
  for (const authorization of [basic, `Bearer ${ADMIN_TOKEN}`])
    t.match((await new FormBrowser(app).get('/', { authorization })).body, '/sign-in')
  const browser = new FormBrowser(app)
  await browser.signIn(ADMIN_TOKEN)
  t.equal((await browser.get('/api/v1/accounts', { accept: 'application/json' })).statusCode, 401)
})

test('signing out ends the session, everywhere it is known', async (t) => {
  const browser = new FormBrowser(app)
  await browser.signIn(ADMIN_TOKEN)
  const stolen = new FormBrowser(app)
  for (const [name, value] of browser.cookies) stolen.cookies.set(name, value)
  t.equal((await browser.post('/sign-out', { _csrf: await browser.formToken('/') })).statusCode, 303)
  t.notOk(browser.cookies.has('hart-depot-session'))
  t.equal((await stolen.get('/account')).statusCode, 303)
})

test('signing in again ends the former session', async (t) => {
  const browser = new FormBrowser(app)
  await browser.signIn(ADMIN_TOKEN)
  const former = browser.cookies.get('hart-depot-session') ?? ''
  browser.cookies.set('hart-depot-session', former)
  const again = new FormBrowser(app)
  again.cookies.set('hart-depot-session', former)
  const token = await again.formToken('/')
  await again.post('/sign-in', { _csrf: token, token: ADMIN_TOKEN, to: '/' })
  t.not(again.cookies.get('hart-depot-session'), former)
  t.equal((await browser.get('/account')).statusCode, 303)
})

test('a session ends with its token', async (t) => {
  const browser = new FormBrowser(app)
  await browser.signIn(await started.account('leaver'))
  t.equal((await browser.get('/account')).statusCode, 200)
  const actor = { client: 'tests', door: 'cli' } as const
  await depot.writer.submit({ kind: 'disableAccount', input: { account: 'leaver', isDisabled: true }, actor })
  const answer = await browser.get('/account')
  t.equal(answer.statusCode, 303)
  t.notOk(browser.cookies.has('hart-depot-session'), 'the browser forgets it')
})

test('a session ends when its token is narrowed to reading some views', async (t) => {
  const browser = new FormBrowser(app)
  await browser.signIn(await started.account('narrowed'))
  const session = await depot.db
    .selectFrom('page_sessions')
    .select('token_id')
    .orderBy('created_at', 'desc')
    .executeTakeFirstOrThrow()
  const actor = { client: 'tests', door: 'cli' } as const
  const scope = { actions: ['read'], views: ['union'] } as const
  await depot.writer.submit({ kind: 'narrowToken', input: { tokenId: session.token_id, scope }, actor })
  t.equal((await browser.get('/account')).statusCode, 303)
})

test('a session ends when it is not used for eight hours, and lasts when it is', async (t) => {
  const own = await startDepot(t)
  const browser = new FormBrowser(own.app)
  await browser.signIn(ADMIN_TOKEN)
  const at = own.depot.now()
  for (const hours of [7, 14]) {
    own.setClock(at + hours * 3_600_000)
    t.equal((await browser.get('/account')).statusCode, 200)
    await own.depot.writer.submit({
      kind: 'saveTokenUses',
      input: { uses: [] },
      actor: { client: 'tests', door: 'depot' },
    }) // after the use was stored
  }
  own.setClock(at + 22.1 * 3_600_000)
  t.equal((await browser.get('/account')).statusCode, 303)
})

test('forms of other sites, of other browsers and without a token are refused', async (t) => {
  const browser = new FormBrowser(app)
  await browser.signIn(ADMIN_TOKEN)
  const own = await browser.formToken('/')
  const other = new FormBrowser(app)
  await other.signIn(ADMIN_TOKEN)
  for (const [fields, headers] of [
    [{ _csrf: own }, { origin: 'https://evil.example' }],
    [{ _csrf: own }, { origin: 'null' }],
    [{ _csrf: own }, { 'sec-fetch-site': 'cross-site' }],
    [{ _csrf: await other.formToken('/') }, {}],
    [{}, {}],
  ] as const)
    t.equal((await browser.post('/sign-out', { ...fields }, { ...headers })).statusCode, 403)
  t.equal((await browser.get('/account')).statusCode, 200, 'the session goes on')
})

test('signing in returns only to this depot', async (t) => {
  for (const to of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)'])
    t.equal((await new FormBrowser(app).signIn(ADMIN_TOKEN, to)).headers.location, '/')
})

test('whoever says no at the single sign-on is told so, and may try again', async (t) => {
  const issuer = await startLyingDepot(t, ({ headers: { host } }, answer) => {
    const own = `http://${host}`
    const [authorization, token, keys] = ['auth', 'token', 'keys'].map((path) => `${own}/${path}`)
    const metadata = {
      issuer: own,
      authorization_endpoint: authorization,
      token_endpoint: token,
      jwks_uri: keys,
    }
    answer.setHeader('content-type', 'application/json').end(JSON.stringify(metadata))
  })
  const own = await startDepot(t, {
    environment: {
      DEPOT_OIDC_ISSUER: issuer,
      DEPOT_OIDC_CLIENT_ID: 'depot',
      DEPOT_ISSUER_NETWORKS: 'any',
    },
  })
  const browser = new FormBrowser(own.app)
  const begun = await browser.get('/sign-in/sso?to=/account')
  const state = new URL(String(begun.headers.location)).searchParams.get('state') ?? ''
  const answer = await browser.get(`/sign-in/done?error=access_denied&state=${state}`)
  t.equal(answer.statusCode, 401)
  t.match(answer.body, 'role="alert"')
  t.match(answer.body, '/sign-in/sso?to=%2Faccount')
})
