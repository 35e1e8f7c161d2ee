import tap, { test } from 'tap'
import { ACTIONS } from '../../src/access/access.ts'
import type { Scope } from '../../src/access/access.ts'
import { generateToken, hashToken } from '../../src/accounts/token.ts'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { makeKeys } from '../support/build-hart.ts'
import { createFullOrigin, createTeam } from '../support/storage/full-origin.ts'
import { isExhaustive } from '../support/random.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { ACTIONS_OF_ROUTES } from './actions.ts'
import { OPENAPI } from '../support/openapi.ts'

// A narrowed token may do only what its actions allow. Every route is requested with every kind of narrowed
// token of an account that has all rights.

const OPERATOR = { client: 'tests', door: 'cli' } as const
const APP = { ident: 'acme/app/1.0.0/20260101120000', target: 'x86_64-linux' } as const
const started = await startDepot(tap)
const { writer } = started.depot
const team = await createTeam(started)
const { invitation } = await createFullOrigin(started, team, 'acme')
await createFullOrigin(started, team, 'other')
const releases = await makeReleases(
  started,
  APP.ident,
  ...['patched', 'deleted', 'removed'].map((name) => `acme/${name}/1.0.0/20260101120000`),
)
await makeView(started, 'prod', 'promoted')
for (const release of releases.slice(0, 2)) await move(started, 'promote', 'prod', [release])
await writer.submit({ kind: 'addAccount', input: { name: 'boss', isAdministrator: true }, actor: OPERATOR })

const { tokenId: otherToken } = await started.actor('boss')

async function tokenOf(scope: Scope): Promise<string> {
  const token = generateToken()
  await writer.submit({
    kind: 'issueToken',
    input: { account: 'boss', hash: hashToken(token), label: 'test', scope },
    actor: OPERATOR,
  })
  return token
}

const { publicId: change } = await writer.submit({
  kind: 'recordChange',
  input: { project: 'acme/app', change: 'c1', commit: 'c1', targets: [] },
  actor: OPERATOR,
})
await writer.submit({
  kind: 'addChangeRelease',
  input: { change, ident: APP.ident, isRebuild: false },
  actor: OPERATOR,
})
const { fence } = await writer.submit({
  kind: 'takeLease',
  input: { change, phase: 'smoke', view: 'prod', holder: 'job', isTakeover: false },
  actor: OPERATOR,
})

const SCOPES: Readonly<Record<string, Scope>> = {
  'not narrowed': {},
  ...Object.fromEntries(ACTIONS.map((action) => [`to ${action}`, { actions: [action] }])),
  'to no action': { actions: [] },
  'to acme': { origins: ['acme'] },
  'to another origin': { origins: ['other'] },
  'to another view': { views: ['union'] },
}
const whole = await tokenOf({})
const tokens = await Promise.all(
  Object.entries(SCOPES).map(async ([how, scope]) => [how, scope, await tokenOf(scope)] as const),
)

/** The default values of path parameters. */
const NAMES: Readonly<Record<string, string>> = {
  origin: 'acme',
  name: 'app',
  version: '1.0.0',
  release: '20260101120000',
  view: 'prod',
  channel: 'prod',
  account: 'mate',
  type: 'docker',
  words: 'app',
  revision: '1',
  visibility: 'private',
  id: String(invitation),
  invitation: String(invitation),
  webhook: 'hook',
  key: 'current',
  token: String(otherToken),
}
const MORE: Readonly<
  Record<
    string,
    { readonly names?: Readonly<Record<string, string>>; readonly query?: string; readonly body?: unknown }
  >
> = {
  'PUT /v1/settings/{origin}/{name}': { body: { visibility: 'private' } },
  'PATCH /v1/profile': { body: { email: 'boss@example.com' } },
  'DELETE /v1/profile/access-tokens/{id}': { names: { id: 'first' } },
  'GET /v1/depot/events': { query: 'from_date=2026-01-01&to_date=2026-01-01' },
  'GET /v1/depot/pkgs/{origin}/{name}/{version}/{release}/download': { names: { name: 'absent' } },
  'GET /v1/depot/views/{view}/pkgs/{origin}/{name}/{version}/{release}/download': {
    names: { name: 'absent' },
  },
  'GET /api/v1/releases/{origin}/{name}/{version}/{release}/download': { names: { name: 'absent' } },
  'DELETE /api/v1/releases/{origin}/{name}/{version}/{release}': { names: { name: 'removed' } },
  'DELETE /v1/depot/pkgs/{origin}/{name}/{version}/{release}': { names: { name: 'deleted' } },
  'PATCH /v1/depot/pkgs/{origin}/{name}/{version}/{release}/{visibility}': { names: { name: 'patched' } },
  'DELETE /v1/depot/channels/{origin}/{channel}': { names: { channel: 'canary' } },
  'PUT /v1/depot/channels/{origin}/{channel}/pkgs/promote': {
    names: { channel: 'stable' },
    query: 'channel=prod',
  },
  'PUT /v1/depot/channels/{origin}/{channel}/pkgs/demote': {
    names: { channel: 'stable' },
    query: 'channel=prod',
  },
  'PUT /v1/depot/origins/{origin}': { body: { default_package_visibility: 'public' } },
  'POST /v1/depot/origins': { body: { name: 'acme' } },
  'PUT /v1/depot/origins/{origin}/users/{account}/role': { query: 'role=member' },
  'POST /v1/depot/origins/{origin}/transfer/{account}': { names: { account: 'maintainer' } },
  'POST /v1/depot/origins/{origin}/depart': { names: { origin: 'nowhere' } },
  'POST /v1/depot/origins/{origin}/users/{account}/invitations': { names: { account: 'stranger' } },
  'POST /v1/depot/origins/{origin}/keys/{revision}': {
    names: { revision: '20270101000000' },
    body: 'no key',
  },
  'POST /v1/depot/origins/{origin}/secret': { body: { name: 'token', value: 'BOX-1' } },
  'DELETE /v1/depot/origins/{origin}/secret/{name}': { names: { name: 'token' } },
  'GET /v1/depot/origins/{origin}/integrations/{type}/{name}': { names: { name: 'hub' } },
  'PUT /v1/depot/origins/{origin}/integrations/{type}/{name}': { body: {} },
  'POST /api/v1/states/plan': { body: { views: {} } },
  'POST /api/v1/states': { body: { views: {} } },
  'POST /api/v1/views': { body: { name: 'prod', rule: 'promoted' } },
  'DELETE /api/v1/views/{view}': { names: { view: '{preview}' } },
  'GET /api/v1/views/{view}/diff': { query: 'from=1&to=2' },
  'POST /api/v1/views/{view}/promotions': { body: { releases: [APP] } },
  'POST /api/v1/views/{view}/demotions': { body: { releases: [APP] } },
  'POST /api/v1/views/{view}/rollbacks': { body: { to: '{before}' } },
  'POST /api/v1/views/{view}/reverts': { body: { revision: '{head}' } },
  'POST /api/v1/views/{view}/plans': { body: { act: 'promote', releases: [APP] } },
  'POST /api/v1/views/{view}/proposals': { body: { act: 'demote', releases: [APP] } },
  'POST /api/v1/plans/{plan}/approve': { names: { plan: '{proposal}' } },
  'POST /api/v1/plans/{plan}/reject': { names: { plan: '{proposal}' } },
  'PUT /api/v1/views/{view}': { body: { ungoverned: ['core', 'chef'] } },
  'PUT /api/v1/views/{view}/pins/{revision}': { body: { reason: 'audit' } },
  'PUT /api/v1/views/{view}/gates': { body: {} },
  'PUT /api/v1/freeze': { body: { reason: 'audit', until: '2026-01-01T00:00:00.000Z' } },
  'PUT /api/v1/views/{view}/freeze': { body: { reason: 'audit', until: '2026-01-01T00:00:00.000Z' } },
  'POST /api/v1/views/{view}/previews': { body: { name: 'another', plan: '{plan}' } },
  'PUT /api/v1/origins/{origin}/members/{account}': { body: { role: 'member' } },
  'GET /api/v1/search': { query: 'q=app' },
  'POST /api/v1/origins': { body: { name: 'acme' } },
  'PATCH /api/v1/origins/{origin}': { body: { default_visibility: 'public' } },
  'PUT /api/v1/origins/{origin}/owner': { body: { account: 'maintainer' } },
  'PUT /api/v1/origins/{origin}/quota': { body: { bytes: null } },
  'PUT /api/v1/storage/quota': { body: { bytes: null } },
  'PATCH /api/v1/reserved-origins': { body: {} },
  'PUT /api/v1/origins/{origin}/keys/{revision}': { names: { revision: '20270101000000' }, body: 'no key' },
  'GET /api/v1/origins/{origin}/keys/{revision}': { names: { revision: 'latest' } },
  'PUT /api/v1/origins/{origin}/groups/{group}': { names: { group: 'ops' }, body: { role: 'member' } },
  'DELETE /api/v1/origins/{origin}/groups/{group}': { names: { group: 'ops' } },
  'PUT /api/v1/accounts/{account}/identities': { body: { issuer: 'https://login.example', subject: '1' } },
  'DELETE /api/v1/accounts/{account}/identities': { query: 'issuer=https://login.example&subject=1' },
  'GET /api/v1/exchange-rules/{rule}': { names: { rule: 'job' } },
  'PUT /api/v1/exchange-rules/{rule}': {
    names: { rule: 'job' },
    body: { provider: 'gitlab', claims: { project_id: ['1'] }, account: 'maintainer', actions: ['read'] },
  },
  'DELETE /api/v1/exchange-rules/{rule}': { names: { rule: 'job' } },
  'POST /api/v1/token-exchanges': { body: {} },
  'POST /api/v1/device-tokens': { body: { device_code: 'none' } },
  'POST /api/v1/accounts': { body: { account: 'newcomer' } },
  'PATCH /api/v1/accounts/{account}': { body: { disabled: false } },
  'POST /api/v1/tokens': { body: { label: 'made here' } },
  'PATCH /api/v1/tokens/{token}': { body: { actions: ['read'] } },
  'POST /api/v1/origins/{origin}/leave': { names: { origin: 'nowhere' } },
  'PUT /api/v1/origins/{origin}/secret-keys/{revision}': {
    names: { revision: '20270101000000' },
    body: 'no key',
  },
  'POST /api/v1/origins/{origin}/invitations': { body: { account: 'stranger' } },
  'POST /api/v1/changes': { body: { project: 'acme/app', change: 'c1', commit: 'c1' } },
  'GET /api/v1/changes/{id}': { names: { id: change } },
  'POST /api/v1/changes/{id}/releases': { names: { id: change }, body: { release: APP.ident } },
  'POST /api/v1/changes/{id}/phases': {
    names: { id: change },
    body: { phase: 'smoke', view: 'prod', status: 'passed' },
  },
  'POST /api/v1/changes/{id}/lease': {
    names: { id: change },
    body: { phase: 'deploy', view: 'prod', holder: 'job' },
  },
  'PUT /api/v1/changes/{id}/lease': { names: { id: change }, body: { phase: 'smoke', view: 'prod', fence } },
  'DELETE /api/v1/changes/{id}/lease': {
    names: { id: change },
    query: `phase=smoke&view=prod&fence=${fence}`,
  },
  'POST /api/v1/webhooks': { body: { name: 'hook', url: 'ftp://example.com', filter: {} } },
  'PATCH /api/v1/webhooks/{webhook}': { body: { paused: true } },
  'POST /api/v1/webhooks/{webhook}/replays': { body: { from: 1 } },
  'PUT /api/v1/depot/trusted-keys/{name}': { body: 'no key' },
}

async function ask(
  route: string,
  token: string,
  fresh: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const [method = '', template = ''] = route.split(' ')
  const { names = {}, query, body } = MORE[route] ?? {}
  const fill = (text: string): string =>
    text.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      fill(names[name] ?? fresh[name] ?? NAMES[name] ?? name),
    )
  const text =
    body === undefined
      ? undefined
      : fill(
          (typeof body === 'string' ? body : JSON.stringify(body)).replaceAll(
            /"(\{(?:head|before)\})"/g,
            '$1',
          ),
        )
  const headers = {
    authorization: `Bearer ${token}`,
    'user-agent': 'hab/2.1.78',
    ...(text !== undefined && { 'content-type': 'application/json' }),
  }
  const answer = await started.app.inject({
    method: method as 'GET',
    url: `${fill(template)}${query === undefined ? '' : `?${query}`}`,
    headers,
    ...(text !== undefined && { payload: text }),
  })
  return { status: answer.statusCode, text: answer.body }
}

/** Creates the plan, proposal, preview or revision that a route needs. The account has the rights for it. */
let made = 0
async function freshFor(route: string): Promise<Record<string, string>> {
  if (/rollbacks|reverts/.test(route)) {
    await move(started, 'promote', 'prod', [APP]).then(() => move(started, 'demote', 'prod', [APP]))
    const { revision } = await move(started, 'promote', 'prod', [APP])
    return { head: String(revision), before: String(revision - 1) }
  }
  if (!route.includes('{plan}') && !route.endsWith('/previews') && route !== 'DELETE /api/v1/views/{view}')
    return {}
  const isMember = (
    await started.app.inject({
      url: '/api/v1/views/prod/members',
      headers: { authorization: `Bearer ${whole}` },
    })
  ).body.includes(APP.ident)
  const draft = async (kind: 'plans' | 'proposals') => {
    const answer = await started.app.inject({
      method: 'POST',
      url: `/api/v1/views/prod/${kind}`,
      headers: { authorization: `Bearer ${whole}` },
      payload: { act: isMember ? 'demote' : 'promote', releases: [APP] },
    })
    return String((JSON.parse(answer.body) as { plan?: string }).plan)
  }
  const [plan, proposal, shown, preview] = [
    await draft('plans'),
    await draft('proposals'),
    await draft('plans'),
    `preview-${(made += 1)}`,
  ]
  if (!route.startsWith('DELETE')) return { plan, proposal }
  await started.app.inject({
    method: 'POST',
    url: '/api/v1/views/prod/previews',
    headers: { authorization: `Bearer ${whole}` },
    payload: { name: preview, plan: shown },
  })
  return { plan, proposal, preview }
}

function may(row: string, { actions, origins, views }: Scope): boolean {
  const [first = '', ...reach] = row.split(' ')
  if (['always', 'anyone', 'session'].includes(first)) return true
  if (actions !== undefined && !(actions as readonly string[]).includes(first)) return false
  if (reach.includes('tokens')) return actions === undefined && origins === undefined && views === undefined
  if (reach.includes('depot') || reach.includes('account'))
    return origins === undefined && views === undefined
  if (reach.includes('origins') && origins !== undefined) return false
  if (reach.includes('origin') && origins?.includes('acme') === false) return false
  return !(reach.includes('view') && views?.includes('prod') === false)
}

test('every route has a row, and every row a route', async (t) => {
  const { paths } = OPENAPI as {
    paths: Record<string, Record<string, object>>
  }
  const routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  t.strictSame(Object.keys(ACTIONS_OF_ROUTES).toSorted(), routes.toSorted())
})

for (const [route, row] of Object.entries(ACTIONS_OF_ROUTES)) {
  if (route === 'GET /openapi.yaml' && !isExhaustive) continue // generated in the time of a hundred requests
  test(`${route}: ${row}`, async (t) => {
    for (const [how, scope, token] of tokens) {
      const isDepart = /\/(depart|leave)$/.test(route) && how === 'to acme' // this route is about an origin of which the account is no member
      const { status, text } = await ask(route, token, await freshFor(route))
      const told = `a token ${how}: ${status} ${text.slice(0, 200)}`
      if (may(row, scope) && !isDepart) t.ok(status < 500 && status !== 401 && status !== 403, told)
      else t.match({ status, text }, { status: 403, text: /"(msg|detail)":"[^"]{20,}"/ }, told)
    }
  })
}

const originsFor = async (scope: Scope) =>
  (JSON.parse((await ask('GET /v1/user/origins', await tokenOf(scope))).text) as { name: string }[]).map(
    ({ name }) => name,
  )
const promote = async (token: string) =>
  ask('PUT /v1/depot/channels/{origin}/{channel}/pkgs/{name}/{version}/{release}/promote', token)

test("for a token narrowed to origins, lists of the account's things show only these", async (t) => {
  for (const origin of ['acme', 'other'])
    await writer.submit({
      kind: 'setMember',
      input: { origin, account: 'boss', role: 'member' },
      actor: OPERATOR,
    })
  t.strictSame(await originsFor({}), ['acme', 'other'])
  t.strictSame(await originsFor({ origins: ['other'] }), ['other'])
})

test('on channel routes hab gets the reason, except for a missing role, which is 401 as in Builder', async (t) => {
  const maintainer = team.tokenOf('maintainer') ?? ''
  await move(started, 'promote', 'prod', [APP]).then(() => move(started, 'demote', 'prod', [APP]))
  await writer.submit({
    kind: 'setGates',
    input: { view: 'prod', gates: { promoters: ['boss'] } },
    actor: OPERATOR,
  })
  t.match(await promote(maintainer), {
    status: 403,
    text: /"msg":"maintainer may not change prod"/,
  })
  t.match(await promote(team.tokenOf('member') ?? ''), {
    status: 401,
    text: /"msg":"member is not a maintainer of the origin acme"/,
  })
  await writer.submit({
    kind: 'setGates',
    input: { view: 'prod', gates: { downgrade: 'refuse', requires: [{ view: 'rehearsal', as: 'member' }] } },
    actor: OPERATOR,
  })
  t.match(await promote(maintainer), {
    status: 403,
    text: /"msg":"acme\/app\/1.0.0\/20260101120000 \(x86_64-linux\) is not in rehearsal"/,
  })
})

test('adding a key needs manage, and a token with upload learns whether the key exists', async (t) => {
  const keys = makeKeys('acme', '20270203040506')
  const post = async (revision: string, token: string) => {
    const { statusCode, body } = await started.app.inject({
      method: 'POST',
      url: `/v1/depot/origins/acme/keys/${revision}`,
      headers: { authorization: `Bearer ${token}`, 'user-agent': 'hab/2.1.78' },
      payload: formatPublicKey(keys.publicKey),
    })
    return { status: statusCode, body }
  }
  const [uploads, manages, reads] = await Promise.all([
    tokenOf({ actions: ['upload'] }),
    tokenOf({ actions: ['manage'] }),
    tokenOf({ actions: ['read'] }),
  ])
  t.match(await post('20250101000000', uploads), { status: 409 })
  t.match(await post('20270203040506', uploads), {
    status: 403,
    body: /this token may not manage, which adding a key to acme needs/,
  })
  t.match(await post('20250101000000', reads), { status: 403 })
  t.match(await post('20270203040506', manages), { status: 201 })
  t.match(await post('20270203040506', uploads), { status: 409 })
})
