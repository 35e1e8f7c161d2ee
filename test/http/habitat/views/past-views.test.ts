import { join } from 'node:path'
import tap, { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { HabToday, Machine } from '../../../support/habitat/hab-today.ts'
import { mentions } from '../../../support/mentions.ts'
import { bearer, makeOrigin, publishAll } from '../../../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const ident = (version: string, name = 'app') => `acme/${name}/${version}/${STAMP}`
const PRIVATE = ident('3.0.0')

const started = await startDepot(tap)
const releases = await makeReleases(
  started,
  ident('1.0.0'),
  ident('2.0.0'),
  PRIVATE,
  ident('1.0.0', 'web'),
  `core/glibc/2.40/${STAMP}`,
)
await setVisibility(started, PRIVATE, 'private')
const [first, second, secret, web, glibc] = releases
const promote = (view: string, ...some: ((typeof releases)[number] | undefined)[]) =>
  move(
    started,
    'promote',
    view,
    some.flatMap((release) => release ?? []),
  )
await promote('stable', glibc)
await promote('union', first) // 1
await promote('union', second, web) // 2
await move(
  started,
  'demote',
  'union',
  [web].flatMap((release) => release ?? []),
) // 3
await promote('union', first) // 4: a downgrade

const get = async (path: string, headers: Record<string, string> = {}) => {
  const {
    statusCode: status,
    body,
    headers: answered,
  } = await started.app.inject({
    url: `/v1/depot/views/${path}`,
    headers,
  })
  const isJson = String(answered['content-type']).startsWith('application/json')
  return { status, headers: answered, body: isJson ? (JSON.parse(body) as unknown) : body }
}
const versionAt = async (
  view: string,
  rest = 'pkgs/acme/app/latest',
  headers: Record<string, string> = {},
) => {
  const { status, body } = await get(`${view}/${rest}`, headers)
  return status === 200 ? (body as { ident: { version: string } }).ident.version : status
}

test('latest is that of the revision, on every route', async (t) => {
  for (const rest of [
    'pkgs/acme/app/latest',
    'channels/acme/stable/pkgs/app/latest',
    'depot/pkgs/acme/app/latest',
    'depot/channels/acme/whatever/pkgs/app/latest',
  ])
    t.strictSame(
      await Promise.all(
        ['union@0', 'union@1', 'union@2', 'union@3', 'union@4', 'union'].map((view) => versionAt(view, rest)),
      ),
      [404, '1.0.0', '2.0.0', '2.0.0', '1.0.0', '1.0.0'],
      rest,
    )
  t.equal(await versionAt('union@2', 'pkgs/acme/app/1.0.0/latest'), '1.0.0')
  t.equal(await versionAt('union@1', 'pkgs/acme/app/2.0.0/latest'), 404)
  t.equal(await versionAt('union@1', `pkgs/acme/app/2.0.0/${STAMP}`), '2.0.0', 'exact shows cover the depot')
  t.equal(await versionAt('union%402'), '2.0.0', 'with an encoded @')
})

test('lists show the members of the revision', async (t) => {
  const members = async (view: string, rest: string) =>
    ((await get(`${view}/${rest}`)).body as { name: string; version: string }[]).map(
      ({ name, version }) => `${name} ${version}`,
    )
  t.strictSame(await members('union@1', 'pkgs/acme'), ['app 1.0.0'])
  t.strictSame(await members('union@2', 'pkgs/acme'), ['app 1.0.0', 'app 2.0.0', 'web 1.0.0'])
  t.strictSame(await members('union@3', 'pkgs/acme'), ['app 1.0.0', 'app 2.0.0'])
  t.strictSame(await members('union@2', 'pkgs/acme/app/2.0.0'), ['app 2.0.0'])
  t.match((await get('union@2/channels/acme/stable/pkgs')).body, { total_count: 3, data: { length: 3 } })
  t.match((await get('union@1/channels/acme/stable/pkgs/app')).body, { data: [{ version: '1.0.0' }] })
  t.match((await get('union@2/channels/acme/stable/pkgs/_latest?target=x86_64-linux')).body, {
    data: [
      { name: 'app', version: '2.0.0' },
      { name: 'web', version: '1.0.0' },
    ],
  })
})

test('packages of ungoverned origins come from the channel as it was', async (t) => {
  t.equal(await versionAt('union@1', 'channels/core/stable/pkgs/glibc/latest'), '2.40')
  t.equal(await versionAt('union@0', 'channels/core/stable/pkgs/glibc/latest'), 404, 'it was not there yet')
  t.equal(await versionAt('union@1', 'channels/core/nowhere/pkgs/glibc/latest'), 404)
})

test('only public answers may be cached, and nobody sees more than in the view', async (t) => {
  await promote('delivered', first)
  await promote('delivered', secret)
  const url = 'delivered@1/pkgs/acme/app/latest'
  t.match(await get(url), { headers: { 'cache-control': 'public, max-age=86400', vary: 'authorization' } })
  t.match(await get(url, bearer()), { headers: { 'cache-control': /^private/ } })
  t.match(await get('delivered/pkgs/acme/app/latest'), { headers: { 'cache-control': /^private/ } })
  t.equal(await versionAt('delivered@2'), 404)
  t.equal(await versionAt('delivered@2', undefined, bearer()), '3.0.0')
  t.match(await get('delivered@2/pkgs/acme'), { body: { length: 1 } })
})

test('private releases of a deleted origin do not count for members of a new one of its name', async (t) => {
  const { writer } = started.depot
  const actor = { client: 'tests', door: 'cli' } as const
  const names = ['1.0.0', '2.0.0'].map((version) => `again/app/${version}/${STAMP}`)
  const [shown = '', hidden = ''] = names
  const former = await makeReleases(started, ...names)
  await setVisibility(started, hidden, 'private')
  await makeView(started, 'renewed', 'highest')
  await promote('renewed', ...former)
  for (const name of names)
    await writer.submit({ kind: 'deleteRelease', input: { ident: name, target: 'x86_64-linux' }, actor })
  await writer.submit({ kind: 'removeSettings', input: { origin: 'again', name: 'app' }, actor })
  await writer.submit({ kind: 'deleteOrigin', input: { origin: 'again' }, actor })
  const token = await started.account('newcomer')
  const { accountId } = await started.actor('newcomer')
  await writer.submit({ kind: 'createOrigin', input: { name: 'again', ownerId: accountId }, actor })
  await makeReleases(started, shown)
  for (const headers of [{}, bearer(token)])
    t.equal(await versionAt('renewed@1', 'pkgs/again/app/latest', headers), '1.0.0')
})

test('a revision that was not made, another history and an unknown view are refused', async (t) => {
  t.equal(await versionAt('union@5'), 404)
  t.equal(await versionAt('union@2-0000000000000000'), 409)
  const { body } = await callApi(started, 'GET', '/api/v1/views/union')
  t.equal(await versionAt(`union@${String(body?.['revision_id'])}`), '1.0.0')
  for (const name of ['nowhere@1', 'union@', 'union@x', '@1', 'union@1@2'])
    t.equal(await versionAt(name), await versionAt('nowhere'), name)
})

test('a view whose name has an @ comes first, and the last @ splits', async (t) => {
  await makeView(started, 'app.production@7', 'promoted')
  await promote('app.production@7', first)
  await promote('app.production@7', second)
  t.equal(await versionAt('app.production@7'), '2.0.0')
  t.equal(await versionAt('app.production@7@1'), '1.0.0')
})

test('writes and searches are refused with a sentence', async (t) => {
  const { app } = started
  const headers = { ...bearer(), 'user-agent': 'curl/8.5.0' }
  for (const [method, path] of [
    ['PUT', 'channels/acme/stable/pkgs/app/1.0.0/20260101000000/promote'],
    ['POST', 'pkgs/acme/app/1.0.0/20260101000000'],
    ['POST', 'pkgs/acme/app/1.0.0/20260101000000/promote'],
  ] as const)
    t.match(await app.inject({ method, url: `/v1/depot/views/union@1/${path}`, headers }), {
      statusCode: 405,
      body: /union@1|read-only/,
    })
  t.match(await get('union@1/pkgs/search/app', { 'user-agent': 'curl/8.5.0' }), {
    status: 404,
    body: mentions('union@1', 'search union'),
  })
})

test('hab installs from a past state', async (t) => {
  const depot = await startDepot(t, { listen: true })
  for (const name of ['core', 'acme']) await makeOrigin(depot, name)
  const tdeps = ['core/glibc/2.41/20260101120000']
  const versions = ['1.0.0', '2.0.0'].map((version) => `acme/app/${version}/20260201120000`)
  await publishAll(
    depot,
    'core/glibc/2.41/20260101120000',
    ...versions.map((text) => ({ ident: text, deps: tdeps, tdeps })),
  )
  for (const text of versions)
    await callApi(depot, 'POST', '/api/v1/views/union/promotions', { body: { releases: [text] } })
  const install = async (view: string) => {
    const machine = new Machine(
      new HabToday(`${depot.url}/v1/depot/views/${view}`),
      join(depot.folder, `machine of ${view}`),
      depot.depot.scanner,
    )
    return [await machine.install('acme/app', 'stable'), machine.installed]
  }
  t.strictSame(await install('union@1'), [versions[0], [...tdeps, versions[0]]])
  t.strictSame(await install('union'), [versions[1], [...tdeps, versions[1]]])
  const keys = await ask(`${depot.url}/v1/depot/views/union@1/origins/acme/keys`)
  t.equal(keys.status, 200)
})
