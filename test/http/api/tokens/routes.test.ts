import tap, { test } from 'tap'
import type { Scope } from '../../../../src/access/access.ts'
import { listTokens } from '../../../../src/accounts/account-store.ts'
import { USE_RESOLUTION_MS } from '../../../../src/accounts/token-uses.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
await makeReleases(started, 'acme/app/1.0.0/20260101000000')
const dev = await started.account('dev')
const stranger = await started.account('stranger')

const asks = (token: string | undefined) => (token === undefined ? {} : { token })
const add = (body: object, token?: string, headers: Record<string, string> = {}) =>
  callApi(started, 'POST', '/api/v1/tokens', { body, headers, ...asks(token) })
const list = async (query = '', token?: string) =>
  callApi(started, 'GET', `/api/v1/tokens${query}`, asks(token))
const narrow = (id: unknown, body: object, token?: string) =>
  callApi(started, 'PATCH', `/api/v1/tokens/${String(id)}`, { body, ...asks(token) })
const revoke = (id: unknown, token?: string) =>
  callApi(started, 'DELETE', `/api/v1/tokens/${String(id)}`, asks(token))
const whoAmI = (token: string) => callApi(started, 'GET', '/api/v1/whoami', { token })

async function made(body: object, token?: string): Promise<{ id: number; secret: string }> {
  return (await add(body, token)).body as { id: number; secret: string }
}

test('a token is made with its limits, works at once, and its secret is shown only then', async (t) => {
  const body = {
    label: 'ci of acme',
    actions: ['read', 'upload'],
    origins: ['acme'],
    views: ['acceptance'],
    expires: '90d',
  }
  const answer = await add(body, dev)
  const { label, expires: _, ...scope } = body
  t.match(answer, {
    status: 201,
    differences: '',
    headers: { 'cache-control': 'no-store', location: /^\/api\/v1\/tokens\/\d+$/ },
    body: { account: 'dev', label, state: 'active', ...scope, secret: /^hart_/, last_used_at: null },
  })
  const secret = String(answer.body?.['secret'])
  t.match((await whoAmI(secret)).body, { account: 'dev', token: { id: answer.body?.['id'], ...scope } })
  t.notMatch((await list('', dev)).text, secret)
  t.match((await callApi(started, 'GET', String(answer.headers['location']), { token: dev })).body, { label })
})

test('a repeated request with its key gets the same token', async (t) => {
  const key = { 'idempotency-key': 'token-of-ci' }
  const [first, second] = [await add({ label: 'once' }, dev, key), await add({ label: 'once' }, dev, key)]
  t.strictSame(second.body, first.body)
  t.equal((await whoAmI(String(second.body?.['secret']))).status, 200)
  t.match(await add({ label: 'other' }, dev, key), { status: 422, body: { code: 'idempotency_mismatch' } })
})

test('unknown names and impossible expiries are refused with pointers', async (t) => {
  t.match(await add({ origins: ['acme', 'acne'], views: ['prod'], expires: '2020-01-01' }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/origins/1' }, { pointer: '/views/0' }, { pointer: '/expires' }] },
  })
  t.match(await add({ account: 'nobody' }), { status: 404 })
  t.match(await add({ actions: ['everything'] }), { status: 400 })
})

test('administrators make tokens of other accounts, and nobody else does', async (t) => {
  const { secret } = await made({ account: 'dev' })
  t.match((await whoAmI(secret)).body, { account: 'dev' })
  t.match(await add({ account: 'stranger' }, dev), { status: 403 })
  t.match(await add({ account: 'nobody' }, dev), { status: 403 })
})

test('a token makes none that outlives it', async (t) => {
  const short = await made({ expires: '1h' }, dev)
  const answer = await add({ expires: '90d' }, short.secret)
  t.equal(answer.body?.['expires_at'], (await whoAmI(short.secret)).body?.['token']?.['expires_at' as never])
  t.match((await add({ expires: '10m' }, short.secret)).body, { expires_at: /^2026-01-01T00:10/ })
})

test('people list their own tokens in pages, and administrators those of everyone', async (t) => {
  const mine = await list('?limit=2', dev)
  t.match(mine, { status: 200, differences: '', body: { tokens: [{ account: 'dev', current: true }, {}] } })
  t.match((await callApi(started, 'GET', String(mine.body?.['next']), { token: dev })).body, {
    tokens: [{ account: 'dev', current: false }],
  })
  t.match((await list('?account=stranger')).body, { tokens: [{ account: 'stranger' }] })
  const accounts = ((await list('?all=true')).body as { tokens: { account: string }[] }).tokens
  t.strictSame([...new Set(accounts.map(({ account }) => account))].toSorted(), ['admin', 'dev', 'stranger'])
  for (const query of ['?account=stranger', '?account=nobody', '?all=true'])
    t.match(await list(query, dev), { status: 403 }, query)
  t.match(await list('?format=text', dev), { text: /^ID +ACCOUNT +STATE.*\n\d+ +dev +active/ })
})

test('a token of another account is absent', async (t) => {
  const { id } = await made({}, stranger)
  for (const answer of [
    await callApi(started, 'GET', `/api/v1/tokens/${id}`, { token: dev }),
    await narrow(id, { actions: [] }, dev),
    await revoke(id, dev),
  ])
    t.match(answer, { status: 404, differences: '', body: { detail: `there is no token ${id}` } })
  t.match(await callApi(started, 'GET', `/api/v1/tokens/${id}`), { status: 200 })
  t.match(await revoke(id), { status: 204 })
})

test('a token loses rights, and never gains any', async (t) => {
  const { id, secret } = await made({ actions: ['read', 'upload'], expires: '30d' }, dev)
  t.match(await narrow(id, { actions: ['read'], origins: ['acme'], expires: '1d' }, dev), {
    status: 200,
    differences: '',
    body: { actions: ['read'], origins: ['acme'], views: null, expires_at: /^2026-01-02/ },
  })
  t.match((await whoAmI(secret)).body, { token: { actions: ['read'], origins: ['acme'] } })
  t.match(await narrow(id, { actions: ['read', 'upload'], expires: '2d' }, dev), {
    status: 403,
    differences: '',
    body: { errors: [{ pointer: '/actions' }, { pointer: '/expires' }] },
  })
  t.match(await narrow(id, {}, dev), { status: 400 })
  const events = await callApi(started, 'GET', '/api/v1/events?kind=token-narrowed', { token: dev })
  t.match(events.body, { events: [{ event: { account: 'dev', token: id } }] })
})

test('a narrowed token narrows and revokes itself, and no other', async (t) => {
  const { id, secret } = await made({ actions: ['read', 'upload'] }, dev)
  const other = await made({}, dev)
  t.match(await narrow(other.id, { actions: [] }, secret), { status: 403 })
  t.match(await revoke(other.id, secret), { status: 403 })
  t.match(await narrow(id, { actions: [] }, secret), { status: 200, body: { actions: [], current: true } })
  t.match(await revoke(id, secret), { status: 204 })
  t.match(await revoke(id, secret), { status: 401 })
  t.match(await revoke(id, dev), { status: 409, body: { code: 'conflict' } })
  t.match(await narrow(id, { actions: [] }, dev), { status: 409 })
})

test('a narrowed administrator makes no token of another account', async (t) => {
  const { secret } = await made({ actions: ['manage'] })
  t.match(await add({ account: 'dev' }, secret), { status: 403 })
})

const storedUses = async () =>
  new Map((await listTokens(started.depot.db)).map(({ id, lastUsedAt }) => [id, lastUsedAt]))

test('the last use of a token is kept in memory and stored seldom', async (t) => {
  const { id, secret } = await made({}, dev)
  const { uses } = started.depot.authenticator
  const flush = async (all = false) => {
    const stored: number[] = []
    await uses.flush(
      (due) => {
        stored.push(...due.flatMap(({ tokenId }) => (tokenId === id ? [tokenId] : [])))
        return started.depot.writer.submit({
          kind: 'saveTokenUses',
          input: { uses: due },
          actor: { client: 'tests', door: 'depot' },
        })
      },
      { all },
    )
    return stored.length
  }
  t.equal(await flush(), 0, 'it was not used')
  await whoAmI(secret)
  const first = uses.lastUseOf(id)
  t.match((await callApi(started, 'GET', `/api/v1/tokens/${id}`)).body, {
    last_used_at: new Date(first ?? 0).toISOString(),
  })
  t.equal((await storedUses()).get(id), undefined, 'a request writes nothing')
  t.equal(await flush(), 1)
  t.equal((await storedUses()).get(id), first)
  await whoAmI(secret)
  t.equal(await flush(), 0, 'a stored use that is recent enough is kept')
  t.equal(await flush(true), 1)
  const noted = uses.lastUseOf(id) ?? 0
  t.ok(noted > (first ?? 0))
  started.setClock(START + 2 * USE_RESOLUTION_MS)
  await whoAmI(secret)
  t.equal(await flush(), 1)
})

test('uses that were not stored yet are stored when the server closes', async (t) => {
  const folder = t.testdir({})
  const scope: Scope = { actions: ['read'] }
  const before = await startDepot(t, { folder })
  const token = await before.account('dev', scope)
  await callApi(before, 'GET', '/api/v1/whoami', { token })
  await before.close()
  const after = await startDepot(t, { folder })
  const tokens = await listTokens(after.depot.db, { account: 'dev' })
  t.match(tokens, [{ lastUsedAt: Number, scope }])
})
