import tap, { test } from 'tap'
import type { Test } from 'tap'
import BetterSqlite3 from 'better-sqlite3'
import { Kysely } from 'kysely'
import { sqliteFileOf } from '../../src/config/database.ts'
import { PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import { StablePlanDialect } from '../../src/database/sqlite/compiler.ts'
import type { Schema } from '../../src/database/schema.ts'
import { listLatestSpans } from '../../src/revisions/membership-store.ts'
import { getView } from '../../src/revisions/view-store.ts'
import { isExhaustive, sampleOf } from '../support/random.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import { OPENAPI } from '../support/openapi.ts'

// Nothing private is revealed (P15), in errors as little as in answers. Everything private here has the word
// `zebra` in its names, versions and reasons. Callers who may not see it request every route. The word may be
// in an answer only if it was in the request, and then the answer must equal that for a name with `quagga`,
// which does not exist.

const STAMP = '20260101120000'
const OPERATOR = { client: 'tests', door: 'cli' } as const
const APP = `acme/app/1.0.0/${STAMP}`
const NEWER = `acme/app/2.0.0/${STAMP}`
const SECRETS = {
  name: `acme/zebra-tool/1.0.0/${STAMP}`,
  version: `acme/app/3.zebra/${STAMP}`,
  origin: `zebra/lib/1.0.0/${STAMP}`,
  later: `zebra/lib/2.0.0/${STAMP}`,
  user: `zebra/user/1.0.0/${STAMP}`,
  deleted: `acme/zebra-gone/1.0.0/${STAMP}`,
}
const row = (ident: string) => ({ ident, target: 'x86_64-linux' }) as const

const started = await startDepot(tap)
const { writer } = started.depot
await started.account('keeper')
for (const name of ['acme', 'zebra', 'quagga', 'umbrella'])
  await writer.submit({ kind: 'createOrigin', input: { name, ownerId: 2 }, actor: OPERATOR })
const tokens: Readonly<Record<string, string | null>> = {
  nobody: null,
  stranger: await started.account('stranger'),
  // May promote its own packages, and is no member elsewhere.
  outsider: await started.account('outsider'),
  // Named in the rules of a view, without roles in origins.
  promoter: await started.account('promoter'),
  // An administrator of every origin except `zebra` and `acme`.
  narrow: await started.account('narrow', { origins: ['umbrella'] }),
}
for (const account of ['outsider', 'promoter', 'narrow'])
  await writer.submit({
    kind: 'setMember',
    input: { origin: 'umbrella', account, role: 'maintainer' },
    actor: OPERATOR,
  })
await makeReleases(
  started,
  APP,
  NEWER,
  `umbrella/own/1.0.0/${STAMP}`,
  `umbrella/own/2.0.0/${STAMP}`,
  SECRETS.name,
  SECRETS.version,
  SECRETS.origin,
  SECRETS.later,
  SECRETS.deleted,
)
await makeReleases(
  started,
  { name: SECRETS.user, deps: [APP] },
  { name: `umbrella/needy/1.0.0/${STAMP}`, deps: [`umbrella/own/1.0.0/${STAMP}`] },
)
for (const ident of Object.values(SECRETS)) await setVisibility(started, ident, 'private')
for (const view of ['prod', 'lower', 'named', 'closed', 'upper']) await makeView(started, view, 'promoted')
const reason = 'for the zebra'
await move(started, 'promote', 'prod', [row(APP), row(`umbrella/own/1.0.0/${STAMP}`)]) // 1
await move(started, 'promote', 'prod', [row(SECRETS.name), row(SECRETS.origin)], { reason }) // 2: all private
await move(started, 'promote', 'prod', [
  row(SECRETS.version),
  row(SECRETS.later),
  row(`umbrella/own/2.0.0/${STAMP}`),
]) // 3: partly private
await move(started, 'promote', 'prod', [row(SECRETS.origin), row(SECRETS.deleted)]) // 4
await move(started, 'demote', 'prod', [row(SECRETS.deleted)]) // 5
await move(started, 'promote', 'lower', [
  row(SECRETS.later),
  row(SECRETS.name),
  row(SECRETS.user),
  row(SECRETS.version),
])
await move(started, 'promote', 'named', [
  row(SECRETS.origin),
  row(SECRETS.user),
  row(APP),
  row(`umbrella/own/1.0.0/${STAMP}`),
])
await move(started, 'promote', 'named', [row(SECRETS.later)])
await writer.submit({
  kind: 'setGates',
  input: {
    view: 'named',
    gates: {
      promoters: ['promoter', 'outsider'],
      closure: 'view',
      requires: [{ view: 'upper', as: 'member' }],
      downgrade: 'refuse',
    },
  },
  actor: OPERATOR,
})
await move(started, 'promote', 'stable', [row(SECRETS.origin)])
await writer.submit({
  kind: 'declareChannel',
  input: { origin: 'zebra', name: 'weekly', ownerId: 2 },
  actor: OPERATOR,
})
await move(started, 'promote', 'weekly', [row(SECRETS.origin)])
await writer.submit({ kind: 'removeChannel', input: { origin: 'zebra', name: 'weekly' }, actor: OPERATOR })
await writer.submit({
  kind: 'declareChannel',
  input: { origin: 'umbrella', name: 'weekly', ownerId: 2 },
  actor: OPERATOR,
})
await writer.submit({ kind: 'deleteRelease', input: row(SECRETS.deleted), actor: OPERATOR })
const { token: plan } = await writer.submit({
  kind: 'draftPlan',
  input: {
    token: 'plan-of-the-operator',
    request: { view: 'prod', act: 'promote', source: { releases: [row(SECRETS.later)] } },
  },
  actor: OPERATOR,
})

/** Records a change with a release and a report, and returns its id. */
async function recordChange(project: string, change: string, ident: string): Promise<string> {
  const { publicId } = await writer.submit({
    kind: 'recordChange',
    input: { project, change, commit: change, branch: 'zebra', targets: [] },
    actor: OPERATOR,
  })
  await writer.submit({
    kind: 'addChangeRelease',
    input: { change: publicId, ident, isRebuild: false },
    actor: OPERATOR,
  })
  await writer.submit({
    kind: 'reportPhase',
    input: { change: publicId, phase: 'smoke', view: 'prod', status: 'failed', message: reason },
    actor: OPERATOR,
  })
  return publicId
}
const privateChanges = [
  await recordChange('zebra/lib', 'change-1', SECRETS.origin),
  await recordChange('acme/app', 'change-2', SECRETS.version),
]

interface Asked {
  readonly method: string
  readonly url: string
  readonly body?: unknown
}

async function ask(
  { method, url, body }: Asked,
  token: string | null,
): Promise<{ status: number; text: string }> {
  const headers = {
    'user-agent': 'hab/2.1.78',
    ...(token !== null && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  const answer = await started.app.inject({
    method: method as 'GET',
    url,
    headers,
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  })
  return {
    status: answer.statusCode,
    text: withoutOrigins(url, answer.body).replaceAll(/"(request_id|created_at|updated_at)":"[^"]*"/g, ''),
  }
}

/** The names of origins and of the channels that they declare are public, as in Builder. */
function withoutOrigins(url: string, body: string): string {
  if (/^\/api\/v1\/origins(\?|$)/.test(url)) return body.startsWith('{"origins"') ? '{"origins":…}' : body
  if (!url.startsWith('/api/v1/events') || !body.startsWith('{"events"')) return body
  const { events, ...rest } = JSON.parse(body) as { events: { kind?: string }[] }
  return JSON.stringify({
    ...rest,
    events: events.filter(
      ({ kind }) =>
        kind === undefined || !['origin-created', 'channel-declared', 'channel-removed'].includes(kind),
    ),
  })
}

const { paths } = OPENAPI as {
  paths: Record<string, Record<string, object>>
}
/** `npm run test:all` also asks for openapi.yaml, which is generated in the time of a hundred requests. */
const ROUTES = Object.entries(paths)
  .filter(([path]) => isExhaustive || path !== '/openapi.yaml')
  .flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => ({ method: method.toUpperCase(), path })),
  )
const NEIGHBOURS: Readonly<Record<string, string>> = {
  origin: 'acme',
  name: 'app',
  version: '1.0.0',
  release: STAMP,
  view: 'prod',
  channel: 'prod',
  account: 'keeper',
  type: 'docker',
  words: 'app',
  revision: '2',
  visibility: 'private',
  id: '1',
  webhook: 'hook',
  key: 'current',
  plan,
}
const namesOf = (ident: string) =>
  Object.fromEntries(
    ['origin', 'name', 'version', 'release'].map((part, index) => [part, ident.split('/')[index] ?? '']),
  )
const fillsOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'its neighbours': {},
  ...Object.fromEntries(
    Object.entries(SECRETS).map(([what, ident]) => [`its ${what}`, { ...namesOf(ident), words: 'zebra' }]),
  ),
  'its neighbours, in another view': { view: 'named', channel: 'stable', revision: '1' },
  'its neighbours, in a third view': { view: 'lower', channel: 'lower', revision: '1', words: 'lib' },
}
const QUERIES = [
  '',
  '?range=0',
  '?from_date=2026-01-01&to_date=2027-01-01',
  '?at=1&with_at=3',
  '?at=2',
  '?after=0&limit=1000',
  '?query=zebra&from_date=2026-01-01&to_date=2027-01-01',
]

function fill(path: string, names: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(names[name] ?? NEIGHBOURS[name] ?? name),
  )
}

const urlsOf = (path: string) => new Set(Object.values(fillsOf).map((names) => fill(path, names)))

/** The bodies of changes of the view in the URL, without private words or with them. */
const BODIES: Readonly<Record<string, readonly unknown[]>> = {
  promotions: [
    ...['prod', 'lower', 'named', 'stable', 'unstable'].flatMap((view) => [
      { from: { view } },
      { from: { view }, exact: true },
      { from: { view }, exact: true, with_deps: true },
      { from: { view, at: 1 } },
    ]),
    { releases: [row(APP)] },
    { releases: [{ ident: APP }, row(NEWER)] },
    { releases: [row(`umbrella/own/1.0.0/${STAMP}`)], with_deps: true },
    { releases: [row(`umbrella/needy/1.0.0/${STAMP}`)] },
    ...Object.values(SECRETS).flatMap((ident) => [{ releases: [row(ident)] }, { releases: [{ ident }] }]),
  ],
  demotions: [
    { from: { view: 'lower' } },
    { from: { view: 'named' } },
    { releases: [row(APP)] },
    { releases: [row(`umbrella/own/1.0.0/${STAMP}`)] },
    ...Object.values(SECRETS).map((ident) => ({ releases: [row(ident)] })),
  ],
  rollbacks: [0, 1, 2, 3, 4].map((to) => ({ to })),
  reverts: [1, 2, 3, 4, 5].map((revision) => ({ revision })),
}
const ACTS: Readonly<Record<string, string>> = {
  promotions: 'promote',
  demotions: 'demote',
  rollbacks: 'rollback',
  reverts: 'revert',
}
const planned = Object.entries(BODIES).flatMap(([way, bodies]) =>
  bodies.map((body) => ({ act: ACTS[way], ...(body as object) })),
)

function bodiesFor(path: string): readonly unknown[] {
  const way = path.split('/').at(-1) ?? ''
  if (way === 'plans' || way === 'proposals') return planned
  return BODIES[way] ?? [path.endsWith('/origins') ? { name: 'acme' } : {}]
}

const twin = (text: string) => text.replaceAll('zebra', 'quagga')

const statuses = new Set<number>()

async function check(t: Test, asked: Asked): Promise<void> {
  const hasWord = JSON.stringify(asked).includes('zebra')
  for (const [who, token] of Object.entries(tokens)) {
    const answer = await ask(asked, token)
    statuses.add(answer.status)
    const told = `${who}: ${JSON.stringify(asked)}`
    if (!hasWord) {
      if (answer.text.includes('zebra')) t.fail(`${told} is told ${answer.status} ${answer.text}`)
    } else {
      const absent = await ask(JSON.parse(twin(JSON.stringify(asked))) as Asked, token)
      if (twin(answer.text) !== absent.text || answer.status !== absent.status)
        t.fail(`${told} is told ${answer.status} ${answer.text}, not ${absent.status} ${absent.text}`)
    }
  }
}

test('private words reach callers who may see them', async (t) => {
  t.match(await ask({ method: 'GET', url: '/api/v1/views/prod/history' }, ADMIN_TOKEN), { text: /zebra/ })
})

/** Each route is asked with so many of its requests; with all of them in `npm run test:all`. */
const REQUESTS = 4

for (const { method, path } of ROUTES.filter((route) => route.method === 'GET')) {
  test(`GET ${path}`, async (t) => {
    const queries = path.includes('events') || path.includes('diff') ? QUERIES : ['', '?range=0', '?at=1']
    const urls = [...urlsOf(path)].flatMap((url) => queries.map((query) => `${url}${query}`))
    for (const url of sampleOf(urls, REQUESTS)) await check(t, { method, url })
  })
}

for (const { method, path } of ROUTES.filter((route) => route.method !== 'GET')) {
  test(`${method} ${path}`, async (t) => {
    const queries = path.includes('/channels/') ? ['', '?target=x86_64-linux', '?channel=named'] : ['']
    const requests = [...urlsOf(path)].flatMap((url) =>
      bodiesFor(path).flatMap((body) =>
        queries.map((query) => ({ url: `${url}${query}`, ...(method !== 'DELETE' && { body }) })),
      ),
    )
    for (const request of sampleOf(requests, REQUESTS)) await check(t, { method, ...request })
  })
}

test('changes with private releases are like absent ones', async (t) => {
  const lists = ['', '?project=zebra/lib', '?project=acme/app', '?change=change-1', '?state=failed&limit=1']
  for (const query of [...lists, '?view=prod', '?format=text'])
    await check(t, { method: 'GET', url: `/api/v1/changes${query}` })
  const body = { project: 'zebra/lib', change: 'change-1', commit: 'change-1' }
  await check(t, { method: 'POST', url: '/api/v1/changes', body })
  const phase = { phase: 'smoke', view: 'prod' }
  for (const [method, path, sent] of [
    ['GET', '', undefined],
    ['POST', '/releases', { release: APP }],
    ['POST', '/phases', { ...phase, status: 'passed' }],
    ['POST', '/lease', { ...phase, holder: 'job' }],
    ['PUT', '/lease', { ...phase, fence: 1 }],
    ['DELETE', '/lease?phase=smoke&view=prod&fence=1', undefined],
  ] as const)
    for (const token of Object.values(tokens)) {
      const absent = '0'.repeat(32)
      const askFor = async (id: string) => {
        const url = `/api/v1/changes/${id}${path}`
        const { status, text } = await ask({ method, url, ...(sent && { body: sent }) }, token)
        return [status, text.replaceAll(id, 'ID')]
      }
      const expected = await askFor(absent)
      for (const id of privateChanges) t.strictSame(await askFor(id), expected, `${method} ${path}`)
    }
})

test('an error is the same for one and for many private causes', async (t) => {
  const own = row(`umbrella/own/1.0.0/${STAMP}`)
  const many = Array.from({ length: 5 }, (_, index) => `zebra/many-${index}/1.0.0/${STAMP}`)
  await makeReleases(started, ...many)
  for (const ident of many) await setVisibility(started, ident, 'private')
  const told: string[] = []
  for (const [view, idents] of [
    ['with-few', many.slice(0, 1)],
    ['with-many', many],
  ] as const) {
    await makeView(started, view, 'promoted')
    await move(started, 'promote', view, [own, ...idents.map(row)])
    await move(started, 'demote', view, idents.map(row))
    await move(started, 'promote', view, idents.map(row))
    for (const [way, body] of [
      ['rollbacks', { to: 0 }],
      ['rollbacks', { to: 2 }],
      ['reverts', { revision: 1 }],
      ['reverts', { revision: 3 }],
      ['plans', { act: 'rollback', to: 0 }],
      ['promotions', { from: { view: 'upper' }, exact: true }],
    ] as const) {
      const { status, text } = await ask(
        { method: 'POST', url: `/api/v1/views/${view}/${way}`, body },
        tokens['outsider'] ?? null,
      )
      t.notMatch(text, /zebra/)
      told.push(`${way} ${JSON.stringify(body)} ${status} ${text.replaceAll(view, 'view')}`)
    }
  }
  t.strictSame(told.slice(told.length / 2), told.slice(0, told.length / 2))
})

test('a private pointer and an absent one are looked up by the same statements', async (t) => {
  let count = 0
  const connection = new BetterSqlite3(sqliteFileOf(started.depot.config), { readonly: true })
  const db = new Kysely<Schema>({ dialect: new StablePlanDialect(connection), log: () => void (count += 1) })
  t.teardown(() => connection.close())
  const page = { before: Number.MAX_SAFE_INTEGER, limit: 10 }
  for (const [name, hidden] of [
    ['prod', 'acme/zebra-tool'],
    ['stable', 'zebra/lib'],
  ] as const) {
    const view = await getView(db, name)
    const counts = []
    for (const line of [hidden, twin(hidden)]) {
      count = 0
      t.strictSame(
        await listLatestSpans(db, view, { package: line, target: 'x86_64-linux' }, page, PUBLIC_AUDIENCE),
        [],
      )
      counts.push(count)
    }
    t.equal(counts[0], counts[1], name)
  }
})

test('the callers met many kinds of answers and errors', async (t) => {
  for (const status of [200, 400, 401, 403, 404, 409, 422]) t.ok(statuses.has(status), String(status))
})
