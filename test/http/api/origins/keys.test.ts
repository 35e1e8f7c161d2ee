import tap, { test } from 'tap'
import { formatPublicKey } from '../../../../src/hart/origin-key.ts'
import { makeKeys } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap, { environment: { DEPOT_ORIGIN_CREATORS: 'maker' } })
const maker = await started.account('maker')
const other = await started.account('other')

const create = (body: object, token = maker, headers: Record<string, string> = {}) =>
  callApi(started, 'POST', '/api/v1/origins', { body, token, headers })
const names = async (query = '', token: string | null = maker) =>
  (
    (await callApi(started, 'GET', `/api/v1/origins${query}`, { token })).body as {
      origins: { name: string; role: string | null }[]
    }
  ).origins.map(({ name, role }) => `${name} ${role ?? '-'}`)

test('origins are created, changed, listed and deleted', async (t) => {
  const key = { 'idempotency-key': 'first' }
  for (const _ of [1, 2])
    t.match(await create({ name: 'acme', default_visibility: 'private' }, maker, key), {
      status: 201,
      differences: '',
      headers: { location: '/api/v1/origins/acme' },
      body: { name: 'acme', owner: 'maker', default_visibility: 'private' },
    })
  t.match(await create({ name: 'acme' }), { status: 409, body: { code: 'already_exists' } })
  t.match(await create({ name: 'Acme' }), {
    status: 422,
    differences: '',
    body: { code: 'origin_malformed' },
  })
  t.match(await create({ name: 'mine' }, other), { status: 403, body: { detail: /other may not create/ } })
  await callApi(started, 'POST', '/api/v1/origins', { body: { name: 'core' } })
  t.strictSame(await names(), ['acme owner', 'core -'])
  t.strictSame(await names('?member=true'), ['acme owner'])
  t.strictSame(await names('?member=true', other), [])
  t.strictSame(await names('?member=true', null), [])
  const first = await callApi(started, 'GET', '/api/v1/origins?limit=1', { token: null })
  t.equal(first.differences, '')
  t.match((await callApi(started, 'GET', String(first.body?.['next']))).body, { origins: [{ name: 'core' }] })

  const change = (token: string) =>
    callApi(started, 'PATCH', '/api/v1/origins/acme', { body: { default_visibility: 'public' }, token })
  t.match(await change(other), { status: 403 })
  t.match(await change(maker), { status: 200, differences: '', body: { default_visibility: 'public' } })
  const remove = (token: string) => callApi(started, 'DELETE', '/api/v1/origins/acme', { token })
  t.match(await remove(other), { status: 403 })
  t.match(await remove(maker), { status: 204 })
  t.strictSame(await names(), ['core -'])
})

test('an administrator hands an origin over to any account, also when its owner is gone', async (t) => {
  await create({ name: 'orphan' })
  const give = (body: object, token?: string) =>
    callApi(started, 'PUT', '/api/v1/origins/orphan/owner', { body, ...(token && { token }) })
  const disable = (account: string, disabled: boolean) =>
    callApi(started, 'PATCH', `/api/v1/accounts/${account}`, { body: { disabled } })
  await disable('maker', true)
  t.match(await give({ account: 'other' }, other), { status: 403, differences: '' })
  t.match(await give({ account: 'nobody' }), { status: 404, differences: '' })
  t.match(await give({ account: 'maker' }), { status: 422, differences: '' })
  t.match(await give({ account: 'other', former_owner: 'removed' }), {
    status: 200,
    differences: '',
    body: { owner: 'other' },
  })
  t.match((await callApi(started, 'GET', '/api/v1/origins/orphan/members')).body, {
    members: [{ account: 'other', role: 'owner' }],
  })
  t.match(await give({ account: 'maker' }), { status: 409, differences: '', body: { detail: /disabled/ } })
  await disable('maker', false)
  t.match(await give({ account: 'maker' }), { status: 200, body: { owner: 'maker' } })
  t.match(await give({ account: 'other' }, maker), { status: 200 }, 'the former owner is a member')
})

test('reserved names are for administrators, who see them', async (t) => {
  const reserve = (body: object, token?: string) =>
    callApi(started, 'PATCH', '/api/v1/reserved-origins', { body, ...(token && { token }) })
  t.match(await reserve({ add: ['secret-*'] }, maker), { status: 403, differences: '' })
  t.match(await reserve({ add: ['Secret'] }), { status: 400, body: { detail: /"Secret" is not a pattern/ } })
  t.match(await reserve({ add: ['secret-*', 'core'], remove: ['core'] }), {
    status: 200,
    differences: '',
    body: { patterns: ['secret-*'] },
  })
  t.match(await create({ name: 'secret-one' }), {
    status: 403,
    differences: '',
    body: { code: 'origin_reserved', detail: /^the name secret-one is reserved: only an administrator/ },
  })
  const habitat = await callApi(started, 'POST', '/v1/depot/origins', {
    body: { name: 'secret-one' },
    token: maker,
  })
  t.equal(habitat.status, 403)
  t.match(await callApi(started, 'GET', '/api/v1/reserved-origins', { token: maker }), { status: 403 })
  t.match((await callApi(started, 'GET', '/api/v1/reserved-origins?format=text')).text, 'secret-*')
  t.match(
    (await callApi(started, 'GET', '/api/v1/events?kind=names-reserved', { token: maker })).body?.['events'],
    [],
  )
  t.match(await callApi(started, 'POST', '/api/v1/origins', { body: { name: 'secret-one' } }), {
    status: 201,
  })
  t.match(await reserve({ remove: ['secret-*'] }), { body: { patterns: [] } })
})

test('the owner gives an origin to a member', async (t) => {
  await create({ name: 'gift' })
  const give = (account: string, token: string) =>
    callApi(started, 'PUT', '/api/v1/origins/gift/owner', { body: { account }, token })
  t.match(await give('other', maker), { status: 403, differences: '', body: { detail: /not a member/ } })
  await callApi(started, 'PUT', '/api/v1/origins/gift/members/other', {
    body: { role: 'member' },
    token: maker,
  })
  t.match(await give('other', other), { status: 403 })
  t.match(await give('other', maker), { status: 200, differences: '', body: { owner: 'other' } })
  t.match(await give('other', other), { differences: '', body: { code: 'transfer_to_owner' } })
})

test('public keys are added once, listed and read', async (t) => {
  await create({ name: 'umbrella' })
  const [first, second] = ['20260101000000', '20270101000000'].map((revision) =>
    formatPublicKey(makeKeys('umbrella', revision).publicKey),
  )
  const put = (revision: string, body: string, token = maker) =>
    callApi(started, 'PUT', `/api/v1/origins/umbrella/keys/${revision}`, {
      body,
      token,
      headers: { 'content-type': 'text/plain' },
    })
  t.match(await put('20260101000000', first ?? ''), {
    status: 201,
    differences: '',
    body: { key: 'umbrella-20260101000000', file: first },
  })
  t.match(await put('20260101000000', first ?? ''), { status: 200, differences: '' })
  t.match(await put('20270101000000', second ?? ''), { status: 201 })
  t.match(await put('20260101000000', second ?? ''), { status: 422, body: { code: 'key_malformed' } })
  t.match(await put('20280101000000', 'no key'), {
    status: 422,
    differences: '',
    body: { code: 'key_malformed' },
  })
  t.match(await put('20260101000000', first ?? '', other), { status: 403 })

  const get = (path: string) =>
    callApi(started, 'GET', `/api/v1/origins/umbrella/keys${path}`, { token: null })
  const list = await get('?limit=1')
  t.match(list, { status: 200, differences: '', body: { keys: [{ revision: '20270101000000' }] } })
  t.match((await callApi(started, 'GET', String(list.body?.['next']))).body, {
    keys: [{ key: 'umbrella-20260101000000' }],
    next: null,
  })
  t.match(await get('/latest'), { differences: '', body: { revision: '20270101000000', file: second } })
  t.equal((await get('/20260101000000?format=text')).text, `${first}\n`)
  t.match(await get('/20250101000000'), { status: 404, differences: '' })
  t.match(await callApi(started, 'GET', '/api/v1/origins/nobody/keys'), { status: 404 })
})
