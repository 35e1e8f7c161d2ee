import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
const someone = await started.account('someone')
const change = (account: string, disabled: boolean, token?: string) =>
  callApi(started, 'PATCH', `/api/v1/accounts/${account}`, {
    body: { disabled },
    ...(token !== undefined && { token }),
  })
const add = (body: object, key: string, token?: string) =>
  callApi(started, 'POST', '/api/v1/accounts', {
    body,
    headers: { 'idempotency-key': key },
    ...(token !== undefined && { token }),
  })
const kinds = async (kind: string) =>
  ((await callApi(started, 'GET', `/api/v1/events?kind=${kind}`)).body as { events: { event: object }[] })
    .events.length

test('an administrator adds an account, and a repeated request with its key changes nothing', async (t) => {
  const ci = { account: 'ci', email: 'ci@example.com' }
  for (const key of ['one', 'one'])
    t.match(await add(ci, key), {
      status: 201,
      differences: '',
      headers: { location: '/api/v1/accounts/ci' },
      body: { account: 'ci', email: 'ci@example.com', administrator: false, disabled_at: null },
    })
  t.match(await add(ci, 'two'), { status: 409, body: { code: 'already_exists' } })
  t.match(await add({ account: 'boss' }, 'one'), { status: 422, body: { code: 'idempotency_mismatch' } })
  t.match(await add({ account: 'no name' }, 'three'), { status: 400, body: { code: 'invalid_request' } })
  t.match(await add({ account: 'boss' }, 'four', someone), { status: 403 })
  t.match(await add({ account: 'boss', administrator: true }, 'five'), { body: { administrator: true } })
})

test('a NUL is refused where it would be stored, and names nothing where it is compared', async (t) => {
  t.match(await add({ account: 'nul', email: 'a\0b' }, 'nul'), {
    status: 400,
    body: { code: 'invalid_request', detail: /NUL/ },
  })
  t.match(await callApi(started, 'GET', '/api/v1/accounts/nul'), { status: 404 })
  const gates = { promoters: ['someone', 'nobody\0', 'nobody'] }
  t.match(await callApi(started, 'PUT', '/api/v1/views/union/gates', { body: gates }), { status: 400 })
})

test('a token narrowed to an action adds accounts, and no administrators', async (t) => {
  await started.depot.writer.submit({
    kind: 'addAccount',
    input: { name: 'root', isAdministrator: true },
    actor: { client: 'tests', door: 'cli' },
  })
  const { body } = await callApi(started, 'POST', '/api/v1/tokens', {
    body: { account: 'root', actions: ['manage'] },
  })
  const token = String(body?.['secret'])
  t.match(await callApi(started, 'POST', '/api/v1/accounts', { token, body: { account: 'dev' } }), {
    status: 201,
  })
  t.match(
    await callApi(started, 'POST', '/api/v1/accounts', {
      token,
      body: { account: 'x', administrator: true },
    }),
    { status: 403 },
  )
})

test('accounts are listed by name in pages, for administrators', async (t) => {
  const first = await callApi(started, 'GET', '/api/v1/accounts?limit=1')
  t.match(first, {
    status: 200,
    differences: '',
    body: { accounts: [{ account: 'admin', administrator: true }] },
  })
  const second = await callApi(started, 'GET', String(first.body?.['next']))
  t.match(second.body, { accounts: [{ account: 'boss' }] })
  t.match(await callApi(started, 'GET', '/api/v1/accounts?format=text'), {
    text: /^ACCOUNT .*\nadmin +administrator/,
  })
  t.match(await callApi(started, 'GET', '/api/v1/accounts', { token: someone }), { status: 403 })
  t.match(await callApi(started, 'GET', '/api/v1/accounts', { token: null }), { status: 401 })
})

test('the tokens of a disabled account are refused at once, and work again afterwards', async (t) => {
  const token = await started.account('leaver')
  const ask = async () => (await callApi(started, 'GET', '/api/v1/whoami', { token })).status
  t.equal(await ask(), 200)
  const disabled = await change('leaver', true)
  t.match(disabled, { status: 200, differences: '', body: { disabled_at: /^2026/ } })
  t.equal(await ask(), 401)
  t.match(await change('leaver', true), { status: 200, body: disabled.body })
  t.match((await callApi(started, 'GET', '/api/v1/tokens?account=leaver')).body, {
    tokens: [{ state: 'disabled' }],
  })
  t.match(await callApi(started, 'POST', '/api/v1/tokens', { body: { account: 'leaver' } }), {
    status: 409,
    body: { code: 'conflict' },
  })
  t.match(await change('leaver', false), { body: { disabled_at: null } })
  t.equal(await ask(), 200)
  t.equal(await kinds('account-disabled'), 1)
  t.equal(await kinds('account-enabled'), 1)
})

test('a command of an account that was disabled meanwhile is refused', async (t) => {
  await started.account('slow')
  const actor = await started.actor('slow')
  await change('slow', true)
  await t.rejects(
    started.depot.writer.submit({ kind: 'createOrigin', input: { name: 'slow', ownerId: 1 }, actor }),
    { code: 'unauthenticated' },
  )
})

test('an administrator disables neither itself nor an unknown account, and others disable nobody', async (t) => {
  t.match(await change('admin', true), { status: 409, body: { code: 'conflict' } })
  t.match(await change('nobody', true), { status: 404 })
  t.match(await change('admin', true, someone), { status: 403 })
})
