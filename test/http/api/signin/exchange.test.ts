import tap, { test } from 'tap'
import { listTokens } from '../../../../src/accounts/account-store.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'
import { AUDIENCE, startTokenIssuer } from '../../../support/signin/token-issuer.ts'

const issuer = await startTokenIssuer(tap)
const started = await startDepot(tap, {
  environment: { DEPOT_ISSUER_NETWORKS: '127.0.0.0/8', DEPOT_PUBLIC_URL: AUDIENCE },
})
await makeReleases(started, 'acme/app/1.0.0/20260101000000')
await started.account('ci')
const stranger = await started.account('stranger')
const { db } = started.depot

const RULE = {
  provider: 'github',
  issuer: issuer.url,
  claims: { repository_id: ['77'], ref: ['refs/heads/main'] },
  account: 'ci',
  actions: ['read', 'upload'],
  origins: ['acme'],
  views: ['stable'],
  lifetime: '30m',
}
const CLAIMS = { repository_id: '77', ref: 'refs/heads/main' }

const setRule = (name: string, body: object, token?: string) =>
  callApi(started, 'PUT', `/api/v1/exchange-rules/${name}`, { body, ...(token !== undefined && { token }) })
const exchange = (idToken: string, { key, rule }: { key?: string; rule?: string } = {}) =>
  callApi(started, 'POST', '/api/v1/token-exchanges', {
    token: null,
    body: { id_token: idToken, ...(rule !== undefined && { rule }) },
    headers: key === undefined ? {} : { 'idempotency-key': key },
  })
const whoAmI = (token: unknown) => callApi(started, 'GET', '/api/v1/whoami', { token: String(token) })

let tokens = 0
/** Signs a token that no other call has signed. */
const sign = (claims: Record<string, unknown> = {}) =>
  issuer.sign({ ...CLAIMS, jti: String((tokens += 1)), ...claims })

test('administrators set, list and remove rules', async (t) => {
  const made = await setRule('app', RULE)
  const { lifetime: _, ...shown } = RULE
  t.match(made, { status: 200, differences: '', body: { rule: 'app', ...shown, lifetime_seconds: 1_800 } })
  t.match(await setRule('app', RULE), { status: 200, body: made.body as object }, 'safe to repeat')
  t.strictSame((await callApi(started, 'GET', '/api/v1/exchange-rules/app')).body, made.body)
  const { text: events } = await callApi(started, 'GET', '/api/v1/events?kind=exchange-rule-set')
  t.match((JSON.parse(events) as { events: object[] }).events, [
    { event: { rule: 'app', claims: [{ claim: 'repository_id', values: ['77'] }, { claim: 'ref' }] } },
  ])
  const list = await callApi(started, 'GET', '/api/v1/exchange-rules')
  t.match(list, { differences: '', body: { rules: [made.body], next: null } })
  t.match((await callApi(started, 'GET', '/api/v1/exchange-rules?format=text')).text, /app +github +ci/)
  await setRule('other', { ...RULE, claims: { repository_id: ['78'] } })
  t.match(await callApi(started, 'DELETE', '/api/v1/exchange-rules/other'), { status: 204 })
  t.match(await callApi(started, 'GET', '/api/v1/exchange-rules/other'), { status: 404 })
  t.match(await callApi(started, 'DELETE', '/api/v1/exchange-rules/other'), { status: 404 })
})

test('nobody else may see or set rules', async (t) => {
  const narrowed = (
    await callApi(started, 'POST', '/api/v1/tokens', { body: { actions: ['manage', 'read'] } })
  ).body?.['secret']
  for (const token of [stranger, null])
    t.match(await callApi(started, 'GET', '/api/v1/exchange-rules', { token }), {
      status: token === null ? 401 : 403,
    })
  t.match(await setRule('app', RULE, stranger), { status: 403 })
  t.match(await setRule('app', RULE, String(narrowed)), { status: 403, body: { code: 'forbidden' } })
})

test('a rule that would let in others is refused', async (t) => {
  for (const [wrong, status] of [
    [{ claims: { repository: ['acme/app'] } }, 400],
    [{ claims: {} }, 400],
    [{ claims: { repository_id: [] } }, 400],
    [{ actions: [] }, 400],
    [{ issuer: 'http://ci.example' }, 400],
    [{ lifetime: '25h' }, 400],
    [{ lifetime: '2027-01-31' }, 400],
    [{ account: 'nobody' }, 404],
    [{ origins: ['acne'] }, 400],
  ] as const)
    t.match(await setRule('wrong', { ...RULE, ...wrong }), { status, differences: '' }, JSON.stringify(wrong))
})

test('a job gets a short-lived token with the limits of the rule', async (t) => {
  const answer = await exchange(await sign())
  t.match(answer, {
    status: 201,
    differences: '',
    headers: { 'cache-control': 'no-store' },
    body: { token: /^hart_/, rule: 'app', account: 'ci' },
  })
  const { body } = await whoAmI(answer.body?.['token'])
  t.match(body, {
    account: 'ci',
    token: { actions: ['read', 'upload'], origins: ['acme'], views: ['stable'] },
  })
  const lifetimeMs = Date.parse(String(answer.body?.['expires_at'])) - started.depot.now()
  t.ok(lifetimeMs > 29 * 60_000 && lifetimeMs <= 30 * 60_000)
  const { text } = await callApi(started, 'GET', '/api/v1/events?kind=token-issued')
  const { events } = JSON.parse(text) as { events: readonly object[] }
  t.match(events.at(-1), { event: { exchange: { rule: 'app', issuer: issuer.url, subject: 'job' } } })
})

test('a job that no rule names is refused, and told what it is', async (t) => {
  for (const claims of [{ repository_id: '770' }, { ref: 'refs/heads/mai' }, { ref: ['refs/heads/main'] }])
    t.match(await exchange(await sign(claims)), { status: 403, differences: '', body: { code: 'forbidden' } })
  const { body } = await exchange(await sign({ repository_id: '78' }))
  t.match(body?.['detail'], /repository_id "78", ref "refs\/heads\/main"/)
  t.notMatch(body?.['detail'], /"77"/)
})

test('an issuer that no rule names is not asked for its keys', async (t) => {
  const other = await startTokenIssuer(t)
  t.match(await exchange(await other.sign(CLAIMS)), { status: 403, body: { code: 'forbidden' } })
  t.strictSame(other.asked, [])
  t.match(await exchange('not a token'), { status: 401, body: { code: 'unauthenticated' } })
})

test('an ID token is exchanged once, and a repeated request replaces the token', async (t) => {
  const idToken = await sign()
  const first = await exchange(idToken, { key: 'first' })
  t.match(await exchange(idToken), { status: 401, body: { code: 'unauthenticated' } })
  t.match(await exchange(idToken, { key: 'stolen' }), { status: 401 })
  t.match(await whoAmI(first.body?.['token']), { status: 200 })
  const second = await exchange(idToken, { key: 'first' })
  t.match(second, { status: 201 })
  t.match(await whoAmI(first.body?.['token']), { status: 401 })
  t.match(await whoAmI(second.body?.['token']), { status: 200 })
  const [head = '', payload = '', signature = ''] = idToken.split('.')
  t.match(
    await exchange(`${head}.${payload}.${signature}=`),
    { status: 401 },
    'the same signature, spelled otherwise',
  )
})

test('two exchanges of one ID token at once get one token', async (t) => {
  const idToken = await sign()
  const answers = await Promise.all([exchange(idToken), exchange(idToken), exchange(idToken)])
  t.strictSame(
    answers.map(({ status }) => status).toSorted((one, other) => one - other),
    [201, 401, 401],
  )
})

test('a job that several rules match names one', async (t) => {
  await setRule('wide', { ...RULE, claims: { repository_owner_id: ['5'] }, actions: ['read'] })
  const both = { repository_owner_id: '5' }
  t.match(await exchange(await sign(both)), { status: 409, body: { code: 'conflict', detail: /app, wide/ } })
  t.match(await exchange(await sign(both), { rule: 'wide' }), { status: 201, body: { rule: 'wide' } })
  t.match(await exchange(await sign(), { rule: 'wide' }), { status: 403 })
})

test('no token is issued for a disabled account, after its rule was removed, or while the issuer is away', async (t) => {
  await callApi(started, 'PATCH', '/api/v1/accounts/ci', { body: { disabled: true } })
  t.match(await exchange(await sign()), { status: 409 })
  await callApi(started, 'PATCH', '/api/v1/accounts/ci', { body: { disabled: false } })
  await issuer.rotate()
  issuer.behave((answer) => answer.socket?.destroy())
  const away = await exchange(await sign())
  t.match(away, { status: 503, differences: '', body: { code: 'issuer_unavailable' } })
  t.match(away.headers['retry-after'], /^\d+$/)
  issuer.behave()
  started.setClock(started.depot.now() + 11_000)
  await callApi(started, 'DELETE', '/api/v1/exchange-rules/app')
  t.match(await exchange(await sign()), { status: 403 })
  await setRule('app', RULE)
  t.match(await exchange(await sign()), { status: 201 })
})

test('tokens of jobs are deleted a month after they expired, and the ID tokens a day', async (t) => {
  const before = (await listTokens(db, { account: 'ci' })).length
  const later = START + 40 * 86_400_000
  started.setClock(later)
  t.match(await exchange(await sign({ exp: later / 1_000 + 60, iat: later / 1_000 })), { status: 201 })
  const { length } = await listTokens(db, { account: 'ci' })
  t.ok(length < before, `${length} of ${before}`)
  t.equal((await db.selectFrom('spent_tokens').selectAll().execute()).length, 1)
})

test('a depot that does not know its URL accepts no ID token', async (t) => {
  const nameless = await startDepot(t, { environment: { DEPOT_ISSUER_NETWORKS: '127.0.0.0/8' } })
  await callApi(nameless, 'PUT', '/api/v1/exchange-rules/app', {
    body: { ...RULE, account: 'admin', origins: [], views: [] },
  })
  const answer = await callApi(nameless, 'POST', '/api/v1/token-exchanges', {
    token: null,
    body: { id_token: await sign() },
  })
  t.match(answer, { status: 409, body: { detail: /DEPOT_PUBLIC_URL/ } })
})
