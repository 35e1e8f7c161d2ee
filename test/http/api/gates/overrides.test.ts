import tap, { test } from 'tap'
import { generateToken, hashToken } from '../../../../src/accounts/token.ts'
import { callApi } from '../../../support/call-api.ts'
import { gateScene } from '../../../support/views/gate-scene.ts'
import { mentions } from '../../../support/mentions.ts'
import { ADMIN_TOKEN } from '../../../support/start-depot.ts'

const { started, ssl, curl, app1, ci, lead, stranger, viewWith, promote } = await gateScene(tap)

test('an override disables gates, and is recorded, returned, shown and logged', async (t) => {
  const view = await viewWith({ downgrade: 'refuse', closure: 'view', overriders: ['lead'] })
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'audit' } })
  const override = { reason: 'the site is down' }
  t.match(await promote(view, [app1], { override }), {
    status: 403,
    differences: '',
    body: { code: 'forbidden', detail: mentions('ci', view) },
  })
  const answer = await promote(view, [app1], { override }, lead)
  t.match(answer, {
    status: 200,
    differences: '',
    body: { overridden: [mentions(view, 'audit'), mentions(curl.ident), mentions(ssl.ident)] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/1`), {
    differences: '',
    body: { override: { reason: 'the site is down', refusals: [/frozen/, /curl/, /openssl/] } },
  })
  t.match(
    (await callApi(started, 'GET', `/api/v1/views/${view}/history?format=text`)).text,
    /OVERRIDE: the site is down/,
  )
  const [warning] = started.logged.filter(
    (line) => line['msg'] === 'gates of a view were overridden' && line['view'] === view,
  )
  t.match(warning, { level: 'warn', view, revision: 1, reason: 'the site is down' })
})

test('rights cannot be overridden', async (t) => {
  const view = await viewWith({ overriders: ['stranger'] })
  t.match(await promote(view, [app1], { override: { reason: 'mine' } }, stranger), { status: 403 })
})

test('an unnecessary override is an ordinary promotion', async (t) => {
  const view = await viewWith({ overriders: ['lead'] })
  t.match(await promote(view, [app1], { override: { reason: 'to be sure' } }, lead), {
    status: 200,
    body: { overridden: [] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/1`), { body: { override: null } })
})

test('an administrator who is also an overrider acts as either, as the token allows', async (t) => {
  const { writer } = started.depot
  const OPERATOR = { client: 'tests', door: 'cli' } as const
  await writer.submit({ kind: 'addAccount', input: { name: 'both', isAdministrator: true }, actor: OPERATOR })
  const view = await viewWith({ overriders: ['both'] })
  const override = { reason: 'the site is down' }
  for (const [action, more, status] of [
    ['manage', {}, 200],
    ['promote', { override }, 200],
    ['read', { override }, 403],
  ] as const) {
    const token = generateToken()
    await writer.submit({
      kind: 'issueToken',
      input: { account: 'both', hash: hashToken(token), label: action, scope: { actions: [action] } },
      actor: OPERATOR,
    })
    const body = { overriders: ['both'], ...more }
    const answer = await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body, token })
    t.match(answer, { status, differences: '' }, action)
  }
})

test('overriders end freezes and set gates, and the ledger keeps why', async (t) => {
  const view = await viewWith({ closure: 'depot', overriders: ['lead'] })
  const url = `/api/v1/views/${view}`
  const override = { reason: 'the site is down' }
  const frozen = { reason: 'audit' }
  await callApi(started, 'PUT', `${url}/freeze`, { body: frozen })
  const thaw = async (token: string, query = '?override=the%20site%20is%20down') =>
    callApi(started, 'DELETE', `${url}/freeze${query}`, { token })
  t.match(await thaw(lead, ''), { status: 403, differences: '' }, 'not without an override')
  t.match(await thaw(ci), { status: 403, differences: '' }, 'only overriders')
  t.match(await thaw(lead), { status: 200, differences: '', body: { freezes: [] } })
  t.match(await callApi(started, 'PUT', `${url}/freeze`, { body: { ...frozen, override }, token: lead }), {
    status: 200,
    differences: '',
  })
  t.match(await thaw(ADMIN_TOKEN), { status: 200 }, 'an administrator may give a reason, too')
  const set = async (gates: object, token: string) =>
    callApi(started, 'PUT', `${url}/gates`, { body: { ...gates, override }, token })
  t.match(await set({ overriders: ['lead'] }, ci), { status: 403, differences: '' })
  t.match(await set({ overriders: ['lead', 'ci'] }, lead), { status: 403, differences: '' })
  t.match(await set({ overriders: ['lead'], promoters: ['lead'] }, lead), { status: 403 })
  t.match(await callApi(started, 'PUT', `${url}/gates`, { body: { overriders: ['lead'] }, token: lead }), {
    status: 403,
  })
  t.match(await set({ overriders: ['lead'] }, lead), {
    status: 200,
    differences: '',
    body: { closure: null },
  })
  const { body = {} } = await callApi(started, 'GET', `/api/v1/events?view=${view}`)
  const events = body['events'] as { kind: string; event: { override?: object } }[]
  const recorded = events.flatMap(({ kind, event: { override: why } }) => (why ? [[kind, why]] : []))
  t.match(recorded, [
    ['view-thawed', { reason: 'the site is down', refusals: [/lead may not/, /frozen by admin: audit/] }],
    ['view-frozen', { refusals: [/lead may not/] }],
    ['view-thawed', { refusals: [/frozen by lead: audit/] }],
    ['gates-set', { refusals: [/lead is not an administrator/] }],
  ])
  t.equal(started.logged.filter((line) => line['view'] === view && line['level'] === 'warn').length, 4)
})
