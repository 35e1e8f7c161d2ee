import tap, { test } from 'tap'
import type { Test } from 'tap'
import type { Scope } from '../../src/access/access.ts'
import { generateToken, hashToken } from '../../src/accounts/token.ts'
import { DepotClient } from '../../src/client/client.ts'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import { HabToday } from '../support/habitat/hab-today.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { ACTIONS_OF_ROUTES } from './actions.ts'

// Depots that do not answer everyone (DEPOT_ANONYMOUS), and the tokens of Supervisors, which read one view.

const OPERATOR = { client: 'tests', door: 'cli' } as const
const STAMP = '20260101120000'
const APP = `acme/app/1.0.0/${STAMP}`
const LIB = `acme/lib/1.0.0/${STAMP}`
const OLD = `acme/app/0.9.0/${STAMP}`
const OTHER = `acme/other/1.0.0/${STAMP}`
const NEEDED_BY_OTHER = `acme/deep/1.0.0/${STAMP}`
const BUSYBOX = `core/busybox/1.0.0/${STAMP}`
const SECRET = `acme/secret/1.0.0/${STAMP}`
const NEEDED_BY_SECRET = `acme/behind/1.0.0/${STAMP}`
const ABSENT = `acme/absent/1.0.0/${STAMP}`
const row = (ident: string) => ({ ident, target: 'x86_64-linux' }) as const
const KEYS = makeKeys('acme', STAMP)
const PROD: Scope = { actions: ['read'], views: ['prod'] }

interface Fleet {
  readonly started: TestDepot
  /** Returns a new token of `fleet`, which has no role, or of `insider`, a member of `acme`. */
  readonly tokenOf: (scope: Scope, account?: 'fleet' | 'insider') => Promise<string>
  readonly supervisor: string
}

async function startFleet(anonymous: string, listen = false): Promise<Fleet> {
  const started = await startDepot(tap, { environment: { DEPOT_ANONYMOUS: anonymous }, listen })
  const { writer } = started.depot
  for (const name of ['fleet', 'insider']) await started.account(name)
  await makeReleases(started, OLD, LIB, NEEDED_BY_OTHER, BUSYBOX, NEEDED_BY_SECRET)
  await makeReleases(
    started,
    { name: APP, deps: [LIB] },
    { name: OTHER, deps: [NEEDED_BY_OTHER] },
    { name: SECRET, deps: [NEEDED_BY_SECRET] },
  )
  await setVisibility(started, SECRET, 'private')
  const publicBody = formatPublicKey(KEYS.publicKey)
  await writer.submit({
    kind: 'addKey',
    input: { origin: 'acme', revision: STAMP, ownerId: 1, publicBody },
    actor: OPERATOR,
  })
  await makeView(started, 'prod', 'promoted')
  await move(started, 'promote', 'prod', [row(OLD)]) // 1
  await move(started, 'demote', 'prod', [row(OLD)]) // 2
  await move(started, 'promote', 'prod', [row(APP), row(SECRET)]) // 3
  await move(started, 'promote', 'union', [row(OTHER)])
  await move(started, 'promote', 'stable', [row(BUSYBOX)])
  await writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'insider', role: 'member' },
    actor: OPERATOR,
  })
  const tokenOf = async (scope: Scope, account: 'fleet' | 'insider' = 'fleet') => {
    const token = generateToken()
    await writer.submit({
      kind: 'issueToken',
      input: { account, hash: hashToken(token), label: 'test', scope },
      actor: OPERATOR,
    })
    return token
  }
  return { started, tokenOf, supervisor: await tokenOf(PROD) }
}

const closed = await startFleet('none', true)
const open = await startFleet('read')

async function get(
  { started }: Fleet,
  url: string,
  token?: string,
  method = 'GET',
): Promise<{ status: number; text: string; cache: string | undefined }> {
  const { statusCode, body, headers } = await started.app.inject({
    method: method as 'GET',
    url,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  })
  return { status: statusCode, text: body, cache: headers['cache-control'] }
}

/** The URL of a route, with names that exist where that matters. */
function urlOf(route: string): string {
  const names: Readonly<Record<string, string>> = {
    origin: 'acme',
    name: 'app',
    version: '1.0.0',
    release: STAMP,
    view: 'prod',
    channel: 'prod',
    words: 'app',
    key: 'current',
    token: '999',
  }
  const path = route.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? '1')
  if (path.endsWith('/keys/1')) return path.replace(/1$/, STAMP)
  return path.endsWith('/events') ? `${path}?from_date=2026-01-01&to_date=2026-01-01` : path
}

/** The same routes under the other mount, where Habitat has two. */
const mounts = (url: string) =>
  url.startsWith('/v1/depot/') ? [url, `/v1/${url.slice('/v1/depot/'.length)}`] : [url]

test('with none, every route but health, sign-in and public keys needs a token', async (t) => {
  for (const [route, words] of Object.entries(ACTIONS_OF_ROUTES)) {
    const [method = ''] = route.split(' ')
    for (const url of mounts(urlOf(route.slice(method.length + 1)))) {
      const { status } = await get(closed, url, undefined, method)
      const told = `${method} ${url}: ${status}`
      if (words === 'always' && method === 'GET') t.equal(status, 200, told)
      else if (words === 'always') t.not(status, 401, told)
      else t.equal(status, 401, told)
    }
  }
  for (const [method, url] of [
    ['GET', '/'],
    ['GET', '/nowhere'],
    ['GET', '/v1/nowhere'],
    ['GET', '/api/v1/nowhere'],
    ['GET', '/docs/api/start.js'],
    ['GET', '/v1/depot/views/prod'],
    ['GET', '/v1/depot/views/nowhere/pkgs/acme/app/latest'],
    ['POST', '/v1/depot/views/prod/pkgs'],
    ['HEAD', `/v1/depot/pkgs/${APP}/download`],
    ['OPTIONS', '/api/v1/views'],
    ['DELETE', '/healthz'],
  ] as const)
    t.equal((await get(closed, url, undefined, method)).status, 401, `${method} ${url}`)
})

test('with none, a token reads what everyone reads otherwise', async (t) => {
  const token = await closed.tokenOf({})
  for (const [route, words] of Object.entries(ACTIONS_OF_ROUTES)) {
    if (words !== 'anyone' || /download|openapi/.test(route)) continue
    const [method = '', template = ''] = route.split(' ')
    const url = urlOf(template)
    const [answer, expected] = [
      await get(closed, url, token, method),
      await get(open, url, undefined, method),
    ]
    t.equal(answer.status, expected.status, `${method} ${url}: ${answer.text.slice(0, 200)}`)
  }
})

test('with none, public keys do not reveal which views and origins exist', async (t) => {
  const keys = 'origins/acme/keys'
  const [there, nowhere] = [
    await get(closed, `/v1/depot/views/prod/${keys}`),
    await get(closed, `/v1/depot/views/nowhere/${keys}`),
  ]
  t.match(there, { status: 200, text: STAMP })
  t.strictSame(nowhere, there)
  const asSupervisor = await get(closed, `/v1/depot/views/nowhere/${keys}`, closed.supervisor)
  t.strictSame(asSupervisor, there)
})

test('a refusal of an anonymous caller is the same for private, public and absent packages', async (t) => {
  const answers = await Promise.all(
    [APP, SECRET, ABSENT].flatMap((ident) => [
      get(closed, `/v1/depot/pkgs/${ident}?target=x86_64-linux`),
      get(closed, `/v1/depot/pkgs/${ident}/download`),
    ]),
  )
  for (const answer of answers) t.strictSame(answer, answers[0])
})

const POLL = '/v1/depot/views/prod/channels/acme/stable/pkgs/app/latest'

test('polls are refused on the fast path and around it alike, and counted', async (t) => {
  const { url } = closed.started
  const cases: readonly (readonly [path: string, token: string | undefined, status: number])[] = [
    [POLL, undefined, 401],
    [POLL, closed.supervisor, 200],
    [POLL, ADMIN_TOKEN, 200],
    ['/v1/depot/channels/acme/prod/pkgs/app/latest', closed.supervisor, 200],
    ['/v1/depot/channels/acme/union/pkgs/other/latest', closed.supervisor, 403],
    ['/v1/depot/views/union/pkgs/acme/other/latest', closed.supervisor, 403],
    ['/v1/depot/views/nowhere/pkgs/acme/app/latest', closed.supervisor, 403],
    ['/v1/depot/pkgs/acme/app/latest', closed.supervisor, 403],
    ['/v1/depot/views/prod/channels/core/stable/pkgs/busybox/latest', closed.supervisor, 200],
    ['/v1/depot/views/prod/pkgs/acme/secret/latest', closed.supervisor, 404],
    [`/v1/depot/views/prod/pkgs/${APP}?target=x86_64-linux`, closed.supervisor, 200],
    [`/v1/depot/views/prod/pkgs/${OTHER}?target=x86_64-linux`, closed.supervisor, 404],
  ]
  for (const [path, token, status] of cases) {
    const { status: fast } = await ask(url + path, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    const { status: injected } = await get(closed, path, token)
    t.strictSame([fast, injected], [status, status], path)
  }
  t.match(await ask(url + POLL, { headers: { 'user-agent': 'hab-sup/2.1.78' } }), {
    status: 401,
    text: '{"code":8,"msg":"this depot answers only requests with a token"}',
  })
  const pollers = await get(closed, '/api/v1/pollers', ADMIN_TOKEN)
  t.match(JSON.parse(pollers.text), { refused_addresses: [{ address: '127.0.0.1' }] })
})

const show = (ident: string) => `/v1/depot/pkgs/${ident}?target=x86_64-linux`
const download = (ident: string) => `/v1/depot/pkgs/${ident}/download`

test("a Supervisor's token reads its view, and what the packages of the view need", async (t) => {
  const within = [APP, LIB, BUSYBOX]
  const outside = [OLD, OTHER, NEEDED_BY_OTHER, SECRET, NEEDED_BY_SECRET, ABSENT]
  for (const place of ['/v1/depot/', '/v1/', '/v1/depot/views/prod/', '/v1/views/prod/depot/']) {
    for (const ident of within)
      t.match(await get(closed, `${place}pkgs/${ident}`, closed.supervisor), { status: 200 }, place + ident)
    for (const ident of outside)
      t.match(await get(closed, `${place}pkgs/${ident}`, closed.supervisor), { status: 404 }, place + ident)
  }
  // These releases have no files, so an admitted download finds a missing blob.
  for (const ident of within)
    t.match(await get(closed, download(ident), closed.supervisor), { status: 503 }, ident)
  const refused = await Promise.all(outside.map((ident) => get(closed, download(ident), closed.supervisor)))
  for (const [index, answer] of refused.entries()) t.strictSame(answer, refused[0], outside[index] ?? '')
  t.match(await get(closed, `/api/v1/releases/${SECRET}`, closed.supervisor), {
    status: 404,
    text: new RegExp(`there is no release ${SECRET} in \\\\"prod\\\\" or among what its packages need`),
  })
})

test("a Supervisor's token cannot tell a private package in its view from an absent one", async (t) => {
  for (const route of Object.keys(ACTIONS_OF_ROUTES)) {
    if (!route.startsWith('GET ') || !route.includes('{name}')) continue
    const url = urlOf(route.slice(4))
    if (!url.includes('/app')) continue
    const [there, absent] = await Promise.all(
      ['secret', 'absent'].map((name) => get(closed, url.replace('/app', `/${name}`), closed.supervisor)),
    )
    const text = there?.text.replaceAll('secret', 'absent').replace(/"request_id":"[^"]*"/, '')
    t.strictSame(
      { status: there?.status, text },
      { status: absent?.status, text: absent?.text.replace(/"request_id":"[^"]*"/, '') },
      url,
    )
  }
})

test('a past revision of the view has its own packages', async (t) => {
  const at = (revision: number, ident: string) =>
    get(closed, `/v1/depot/views/prod@${revision}/pkgs/${ident}`, closed.supervisor)
  t.match(await at(1, OLD), { status: 200 })
  t.match(await at(1, APP), { status: 404 })
  t.match(await at(3, LIB), { status: 200 })
  const latest = '/pkgs/acme/app/latest'
  t.match(await get(closed, `/v1/depot/views/prod@1${latest}`, closed.supervisor), {
    status: 200,
    text: OLD.split('/')[2],
  })
  t.match(await get(closed, `/v1/depot/views/union@1${latest}`, closed.supervisor), { status: 403 })
})

test("a Supervisor's token sees private packages of its account's origins in the view, and no others", async (t) => {
  const { started, tokenOf } = closed
  const supervisor = await tokenOf(PROD, 'insider')
  await setVisibility(started, OTHER, 'private')
  for (const ident of [SECRET, NEEDED_BY_SECRET])
    t.match(await get(closed, show(ident), supervisor), { status: 200 }, ident)
  t.match(await get(closed, show(OTHER), supervisor), { status: 404 })
  t.match(await get(closed, show(OTHER), await tokenOf({}, 'insider')), { status: 200 })
  const poll = '/v1/depot/views/prod/pkgs/acme/secret/latest'
  t.match(await get(closed, poll, supervisor), { status: 200 })
})

/** The routes that answer a Supervisor's token although they name neither its view nor a release in it. */
const NEUTRAL = [
  'GET /api/v1',
  'GET /api/v1/version',
  'GET /api/v1/whoami',
  'GET /api/v1/ledger',
  'GET /api/v1/depot/keys',
  'GET /api/v1/depot/keys/{key}',
  'GET /openapi.yaml',
  'GET /docs/api',
  'PATCH /api/v1/tokens/{token}',
  'DELETE /api/v1/tokens/{token}',
]
/** The routes that show a view only in part, or more than it has. */
const MORE_THAN_A_VIEW = /\/(diff|gates|proposals|freeze)$|\/channels\/\{origin\}$|\{release\}\/channels$/

test("a Supervisor's token reads no other route", async (t) => {
  const supervisor = await closed.tokenOf({ actions: ['read'], views: ['union'] })
  const ofProd = await closed.tokenOf(PROD)
  for (const [route, words] of Object.entries(ACTIONS_OF_ROUTES)) {
    if (words === 'always' || NEUTRAL.includes(route)) continue
    const [method = '', template = ''] = route.split(' ')
    const url = urlOf(template)
    const told = `${method} ${url}`
    const isOfView = /\{view\}|\{channel\}/.test(template) && !MORE_THAN_A_VIEW.test(template)
    const isRelease = method === 'GET' && /\{release\}(\/download)?$/.test(template)
    // Writes to channels answer 401 to accounts without a role, as Builder does.
    const refusal = method !== 'GET' && template.startsWith('/v1/depot/channels/') ? 401 : 403
    t.equal((await get(closed, url, supervisor, method)).status, isRelease ? 404 : refusal, told)
    const answer = await get(closed, url, ofProd, method)
    if (method === 'GET' && words === 'anyone' && (isOfView || isRelease))
      t.notMatch(answer, { status: 403 }, told)
    else t.equal(answer.status, refusal, told)
  }
  for (const route of NEUTRAL.filter((each) => each.startsWith('GET') && each !== 'GET /openapi.yaml'))
    t.notMatch(await get(closed, urlOf(route.slice(4)), supervisor), { status: 403 }, route)
})

test("a Supervisor's token follows the promotions of its view", async (t) => {
  const cases: readonly (readonly [query: string, expected: object])[] = [
    ['view=prod&kind=promotion', { status: 200, text: APP }],
    ['', { status: 403 }],
    ['view=prod', { status: 403 }],
    ['kind=promotion', { status: 403 }],
    ['view=union&kind=promotion', { status: 403 }],
  ]
  for (const [query, expected] of cases)
    t.match(await get(closed, `/api/v1/events?${query}`, closed.supervisor), expected, query)
})

test('in an open depot, a token that is limited to a view sees elsewhere what everyone sees', async (t) => {
  const supervisor = await open.tokenOf(PROD, 'insider')
  await setVisibility(open.started, OTHER, 'private')
  await move(open.started, 'promote', 'union', [row(OLD)])
  t.match(await get(open, show(SECRET), supervisor), { status: 200 }, 'private, in the view')
  t.match(await get(open, show(OTHER), supervisor), { status: 404 }, 'private, not in the view')
  t.match(await get(open, show(OLD), supervisor), { status: 200 }, 'public, not in the view')
  t.match(await get(open, '/api/v1/views/union/content', supervisor), { status: 200, text: /acme\/app/ })
  t.notMatch(await get(open, '/api/v1/views/union/content', supervisor), { text: /acme\/other/ })
  t.match(await get(open, '/v1/depot/origins/acme/secret_keys/latest', supervisor), { status: 403 })
  const { sequence } = open.started.depot.follower.head
  const feed = `/api/v1/events?after=${sequence}&wait=60&view=union&kind=promotion`
  const held = get(open, feed, supervisor)
  await move(open.started, 'demote', 'union', [row(OTHER)])
  await move(open.started, 'promote', 'union', [row(LIB)])
  t.notMatch((await held).text, OTHER, 'also after a wait')
  const { status, text } = await get(open, feed, supervisor)
  t.match({ status, text }, { status: 200, text: LIB })
  t.notMatch(text, OTHER)
})

test('hab installs from a closed view with the token of a Supervisor, and not without', async (t) => {
  const { started } = closed
  const hart = buildHart({ ident: `acme/app/2.0.0/${STAMP}`, keys: KEYS, tdeps: [`acme/lib/2.0.0/${STAMP}`] })
  const dependency = buildHart({ ident: `acme/lib/2.0.0/${STAMP}`, keys: KEYS })
  const uploader = new HabToday(started.url, { token: ADMIN_TOKEN })
  for (const each of [dependency, hart]) await uploader.putPackage(each)
  await move(started, 'promote', 'prod', [row(`acme/app/2.0.0/${STAMP}`)])

  const url = `${started.url}/v1/depot/views/prod`
  const hab = new HabToday(url, { token: closed.supervisor, product: 'hab-sup' })
  const found = await hab.showPackage('base', 'acme/app')
  t.strictSame(found, { ident: `acme/app/2.0.0/${STAMP}`, tdeps: [`acme/lib/2.0.0/${STAMP}`] })
  for (const { ident, bytes } of [hart, dependency])
    t.ok((await hab.fetchPackage(formatIdent(ident))).bytes.equals(bytes), formatIdent(ident))
  t.ok((await hab.fetchOriginKey('acme', STAMP)).bytes.toString().includes(STAMP), 'sends no token')
  await t.rejects(hab.fetchPackage(OTHER), { message: /^\[404\]/ })

  const without = new HabToday(url)
  await t.rejects(without.showPackage('base', 'acme/app'), { status: 401, message: /Personal Access Token/ })
  await t.rejects(without.fetchPackage(formatIdent(hart.ident)), { message: /^\[401\]/ })
})

test('a machine without a Supervisor follows a closed view with such a token', async (t) => {
  const { started, supervisor } = closed
  const depot = new DepotClient({ url: started.url, token: supervisor, retries: 0 })
  const line = { view: 'prod', origin: 'acme', name: 'app' }
  const { ident } = await depot.getLatest(line)
  const [, , version = '', release = ''] = ident.split('/')
  t.match(await depot.getView({ view: 'prod' }), { name: 'prod' })
  t.match(await depot.listHolders({ ...line, limit: 1 }), { holders: [{ ident }] })
  t.match(await depot.getRelease({ origin: 'acme', name: 'app', version, release }), { ident })
  t.match(await depot.getLedgerHead(), { sequence: Number })
  await t.rejects(depot.getView({ view: 'union' }), { code: 'forbidden' })
})

test('no shared cache may keep what needs a token', async (t) => {
  const token = await closed.tokenOf({})
  t.match(await get(closed, show(APP), token), { cache: /no-cache|no-store|private/ })
  t.match(await get(open, show(APP)), { cache: /^public, / })
})

const ORIGIN_ROUTES = [
  '/v1/depot/{origin}/pkgs',
  '/v1/depot/origins/{origin}',
  '/v1/depot/pkgs/{origin}',
  '/v1/depot/pkgs/{origin}/busybox',
  '/v1/depot/pkgs/{origin}/busybox/versions',
  '/v1/depot/pkgs/{origin}/busybox/latest',
  `/v1/depot/pkgs/{origin}/busybox/1.0.0/${STAMP}`,
  `/v1/depot/pkgs/{origin}/busybox/1.0.0/${STAMP}/channels`,
  '/v1/depot/channels/{origin}',
  '/v1/depot/channels/{origin}/stable/pkgs',
  '/v1/depot/channels/{origin}/stable/pkgs/busybox/latest',
  '/v1/depot/views/prod/channels/{origin}/stable/pkgs/busybox/latest',
  '/api/v1/origins/{origin}',
  '/api/v1/origins/{origin}/packages',
  '/api/v1/packages/{origin}/busybox/releases',
  `/api/v1/releases/{origin}/busybox/1.0.0/${STAMP}`,
]
const OTHER_ROUTES = [
  '/v1/rdeps/core/busybox',
  '/v1/depot/views',
  '/v1/depot/pkgs/search/busybox',
  '/v1/depot/views/prod/pkgs/search/busybox',
  '/v1/depot/events?from_date=2026-01-01&to_date=2026-01-01',
  `/api/v1/releases/core/busybox/1.0.0/${STAMP}/dependents`,
  `/api/v1/releases/core/busybox/1.0.0/${STAMP}/why`,
  '/api/v1/views',
  '/api/v1/views/stable/content',
  '/api/v1/events',
  '/api/v1/search?q=busybox',
  '/api/v1/origins',
  '/metrics',
]

for (const [setting, readable, unreadable] of [
  ['none,core=read', 'core', 'acme'],
  ['read,acme=none', 'core', 'acme'],
] as const)
  test(`${setting}: one origin can be read without a token, and only by routes of that origin`, async (t: Test) => {
    const fleet = await startFleet(setting, true)
    const statusOf = async (path: string) => {
      const { status } = await get(fleet, path)
      if (path.endsWith('latest'))
        t.equal((await ask(fleet.started.url + path)).status, status, `${path} on the fast path`)
      return status
    }
    for (const route of ORIGIN_ROUTES) {
      t.equal(await statusOf(route.replace('{origin}', readable)), 200, route)
      t.equal(await statusOf(route.replace('{origin}', unreadable)), 401, route)
    }
    for (const route of OTHER_ROUTES) t.equal(await statusOf(route), 401, route)
    t.match(await get(fleet, show(BUSYBOX)), { cache: /^public, / })
    t.match(await get(fleet, show(APP), await fleet.tokenOf({})), { cache: /no-cache/ })
    t.match(await get(fleet, show(BUSYBOX), fleet.supervisor), { status: 200 })
  })
