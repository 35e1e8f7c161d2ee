import tap, { test } from 'tap'
import { bearer, makeOrigin } from '../../../support/origin.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// habitat-today.md 3.1, 3.2, 3.5 and 6 (Lists).

const STAMP = '20260101120000'
const ACTOR = { client: 'tests', door: 'cli' } as const

async function get({ app }: TestDepot, path: string, headers: Record<string, string> = {}) {
  const { statusCode, headers: given, body } = await app.inject({ url: `/v1/depot/${path}`, headers })
  return {
    status: statusCode,
    headers: given,
    body,
    json: body === '' ? undefined : (JSON.parse(body) as { data: { name: string; version: string }[] }),
  }
}

/** The depot of tests that do not disturb each other. */
const shared = await startDepot(tap)

test('the releases of a channel are listed by text, ascending, for all targets', async (t) => {
  const started = shared
  const names = [
    `acme/app/10.0.0/${STAMP}`,
    `acme/app/9.0.0/${STAMP}`,
    `acme/app/9.0.0/${STAMP} for x86_64-windows`,
    `acme/app-tools/1.0.0/${STAMP}`,
    `acme/web/1.0.0/${STAMP}`,
    `other/app/1.0.0/${STAMP}`,
  ]
  await move(started, 'promote', 'stable', await makeReleases(started, ...names))
  const all = await get(started, 'channels/acme/stable/pkgs')
  t.strictSame(all.json, {
    range_start: 0,
    range_end: 3,
    total_count: 4,
    data: [
      ['app-tools', '1.0.0'],
      ['app', '10.0.0'],
      ['app', '9.0.0'],
      ['web', '1.0.0'],
    ].map(([name, version]) => ({ origin: 'acme', name, version, release: STAMP })),
  })
  t.match(all, { status: 200, headers: { 'cache-control': 'private, no-cache, no-store' } })
  t.match((await get(started, 'channels/acme/stable/pkgs/app')).json, { total_count: 2 })
  t.match((await get(started, 'channels/acme/stable/pkgs/app/9.0.0')).json, { total_count: 1 })
  for (const path of [
    'nothing/pkgs',
    'stable/pkgs/ap',
    'stable/pkgs/app/9',
    'base/pkgs',
    'a%20b/pkgs',
    '%00/pkgs',
  ]) {
    t.strictSame(
      (await get(started, `channels/acme/${path}`)).json,
      { range_start: 0, range_end: 0, total_count: 0, data: [] },
      path,
    )
  }
  t.match(await get(started, 'channels/acme/stable/pkgs?range=x'), { status: 400, body: '' })
})

test('an offset selects the page that contains it', async (t) => {
  const started = await startDepot(t)
  const names = Array.from({ length: 110 }, (_, n) => `acme/app/1.0.${String(n).padStart(3, '0')}/${STAMP}`)
  await makeReleases(started, ...names)
  const pages = {
    '': [206, 0, 49, '000'],
    '?range=50': [206, 50, 99, '050'],
    '?range=100': [200, 100, 109, '100'],
    '?range=73': [206, 73, 122, '050'],
    '?range=-5': [206, 0, 49, '000'],
  } as const
  for (const [query, [, start, end, first]] of Object.entries(pages)) {
    const page = await get(started, `channels/acme/unstable/pkgs${query}`)
    t.match(page.json, { range_start: start, range_end: end, total_count: 110 }, query)
    t.equal(page.status, 110 > end + 1 ? 206 : 200, query)
    t.equal(page.json?.data[0]?.version, `1.0.${first}`, query)
  }
  t.match(await get(started, 'channels/acme/unstable/pkgs?range=150'), {
    status: 200,
    json: { range_start: 150, range_end: 110, data: [] },
  })
})

test('_latest lists the latest release of every package for a target', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    ...['web/1.0.0', 'app/10.0.0', 'app/9.0.0', 'secret/1.0.0'].map((name) => `acme/${name}/${STAMP}`),
    `acme/win/1.0.0/${STAMP} for x86_64-windows`,
    `other/app/11.0.0/${STAMP}`,
  )
  await move(started, 'promote', 'stable', releases)
  await setVisibility(started, `acme/secret/1.0.0/${STAMP}`, 'private')
  const latest = async (headers: Record<string, string> = {}) =>
    (await get(started, 'channels/acme/stable/pkgs/_latest?target=x86_64-linux', headers)).json
  t.strictSame(await latest(), {
    channel: 'stable',
    target: 'x86_64-linux',
    data: [
      ['app', '10.0.0'],
      ['web', '1.0.0'],
    ].map(([name, version]) => ({ origin: 'acme', name, version, release: STAMP })),
  })
  t.match((await latest(bearer()))?.data, { length: 3 })
  t.match(await get(started, 'channels/acme/nothing/pkgs/_latest?target=x86_64-linux'), {
    status: 200,
    json: { channel: 'nothing', target: 'x86_64-linux', data: [] },
  })
  for (const query of ['', '?target='])
    t.match(await get(started, `channels/acme/stable/pkgs/_latest${query}`), { status: 400, body: '' })
  t.match(await started.app.inject({ url: '/v1/depot/channels/acme/stable/pkgs/_latest?target=vax-vms' }), {
    statusCode: 422,
    body: "Invalid package target 'vax-vms'",
  })
})

test('a deleted channel can be created again', async (t) => {
  const started = shared
  await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  const request = async (method: 'POST' | 'DELETE') =>
    (await started.app.inject({ method, url: '/v1/depot/channels/acme/dev', headers: bearer() })).statusCode
  const names = async () =>
    (JSON.parse((await get(started, 'channels/acme')).body) as { name: string }[]).map(({ name }) => name)
  t.equal(await request('POST'), 201)
  t.equal(await request('POST'), 409)
  t.equal(await request('DELETE'), 200)
  t.strictSame(await names(), ['stable', 'unstable'])
  t.equal(await request('POST'), 201)
  t.strictSame(await names(), ['dev', 'stable', 'unstable'])
})

test('channels that begin with bldr- are listed only on request', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  for (const name of ['bldr-17', 'bldr', 'BLDR-1', 'bldrs'])
    await started.depot.writer.submit({
      kind: 'declareChannel',
      input: { origin: 'acme', name, ownerId: 1 },
      actor: ACTOR,
    })
  const names = async (query: string) =>
    (JSON.parse((await get(started, `channels/acme${query}`)).body) as { name: string }[]).map(
      ({ name }) => name,
    )
  const plain = ['BLDR-1', 'bldr', 'bldrs', 'stable', 'unstable']
  t.strictSame(await names(''), plain)
  t.strictSame(await names('?sandbox=false'), plain)
  t.strictSame(await names('?sandbox=true'), [...plain, 'bldr-17'].toSorted())
})

const listed = (name: string, channels: string[], platforms: string[]) => ({
  origin: 'acme',
  name,
  version: null,
  release: null,
  channels,
  platforms,
})

const versionOf = (
  text: string,
  count: string,
  latest: string,
  platforms: string[],
  visibility = 'public',
) => ({ origin: 'acme', name: 'web', version: text, release_count: count, latest, platforms, visibility })

test('lists of packages summarize their releases, and lists of versions are ordered by version', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    ...['1.0.0', '9.0.0', '10.0.0', '10.0.0-rc1'].map((version) => `acme/web/${version}/${STAMP}`),
    `acme/web/9.0.0/20260202120000 for x86_64-windows`,
    `acme/app/1.0.0/${STAMP}`,
  )
  await move(started, 'promote', 'stable', releases.slice(4))
  const page = (await get(started, 'pkgs/acme?distinct=true')).json
  t.strictSame(page, {
    range_start: 0,
    range_end: 1,
    total_count: 2,
    data: [
      listed('app', ['stable', 'unstable'], ['x86_64-linux']),
      listed('web', ['stable', 'unstable'], ['x86_64-linux', 'x86_64-windows']),
    ],
  })
  t.match((await get(started, 'pkgs/acme/web?distinct=true')).json, {
    total_count: 1,
    data: [{ name: 'web' }],
  })
  t.match((await get(started, 'pkgs/acme/web/9.0.0?distinct=true')).json, { total_count: 1 })
  t.match((await get(started, 'pkgs/acme/web/3?distinct=true')).json, { total_count: 0 })
  t.match(await get(started, 'pkgs/acme?distinct=yes'), { status: 400, body: '' })

  await setVisibility(started, `acme/web/1.0.0/${STAMP}`, 'private')
  const open = [
    versionOf('10.0.0', '1', STAMP, ['x86_64-linux']),
    versionOf('10.0.0-rc1', '1', STAMP, ['x86_64-linux']),
    versionOf('9.0.0', '2', '20260202120000', ['x86_64-linux', 'x86_64-windows']),
  ]
  t.strictSame((await get(started, 'pkgs/acme/web/versions')).json, open)
  t.strictSame((await get(started, 'pkgs/acme/web/versions', bearer())).json, [
    ...open,
    versionOf('1.0.0', '1', STAMP, ['x86_64-linux'], 'private'),
  ])
  t.match(await get(started, 'pkgs/acme/nothing/versions'), { status: 200, body: '[]' })
})

const url = (rest: string) => `views/acceptance/depot/channels/${rest}`

test("below a view's URL, every channel is the view, except for ungoverned origins", async (t) => {
  const started = await startDepot(t)
  const [app, sup] = await makeReleases(
    started,
    `acme/app/1.0.0/${STAMP}`,
    `chef/hab-sup/2.1.78/${STAMP}`,
    `acme/app/2.0.0/${STAMP}`,
  )
  await move(started, 'promote', 'acceptance', app ? [app] : [])
  await move(started, 'promote', 'stable', sup ? [sup] : [])
  t.match((await get(started, url('acme/stable/pkgs/app/latest'))).json, { ident: { version: '1.0.0' } })
  t.match((await get(started, url('acme/stable/pkgs'))).json, {
    total_count: 1,
    data: [{ version: '1.0.0' }],
  })
  t.match((await get(started, url('acme/stable/pkgs/_latest?target=x86_64-linux'))).json, {
    channel: 'stable',
    data: [{ version: '1.0.0' }],
  })
  t.match((await get(started, url('chef/stable/pkgs/hab-sup/latest'))).json, { ident: { version: '2.1.78' } })
  t.match((await get(started, url('chef/stable/pkgs/hab-sup/2.1.78/latest'))).json, {
    ident: { version: '2.1.78' },
  })
  t.match((await get(started, url('chef/stable/pkgs'))).json, { total_count: 1 })
  t.equal((await get(started, url('chef/base/pkgs/hab-sup/latest'))).status, 404, 'in the channel asked for')
})

test('for an origin that a view does not govern, packages outside the view come from the requested channel', async (t) => {
  const started = shared
  const versions = ['1.0.0', '1.1.0', '2.0.0']
  const small = await makeReleases(started, ...versions.map((version) => `core/small/${version}/${STAMP}`))
  const windows = await makeReleases(started, `core/small/2.0.0/${STAMP} for x86_64-windows`)
  const glibc = await makeReleases(started, `core/glibc/2.41/${STAMP}`)
  await move(started, 'promote', 'base', [...small, ...windows, ...glibc])
  await move(started, 'promote', 'acceptance', small.slice(0, 2))
  const headers = { 'user-agent': 'hab/2.1.78 (x86_64-linux; 6.1)' }
  const version = async (path: string, more: Record<string, string> = {}) => {
    const { status, headers: given, json } = await get(started, path, { ...headers, ...more })
    if (status !== 200) return status
    const { ident } = json as unknown as { ident: { version: string } }
    return given['depot-view'] === undefined
      ? ident.version
      : `${ident.version} of ${String(given['depot-view'])}`
  }
  const list = async (path: string, more: Record<string, string> = {}) =>
    (await get(started, path, { ...headers, ...more })).json?.data.map(
      (item) => `${item.name}/${item.version}`,
    )

  t.equal(
    await version(url('core/base/pkgs/small/latest')),
    '1.1.0 of acceptance',
    'the release promoted into the view',
  )
  t.equal(await version(url('core/base/pkgs/small/1.0.0/latest')), '1.0.0')
  t.equal(
    await version(url('core/base/pkgs/small/2.0.0/latest')),
    404,
    'a version that the view does not have, of a package that it has',
  )
  t.equal(
    await version(url('core/base/pkgs/small/latest?target=x86_64-windows')),
    '2.0.0 of base',
    'the view has no release for another target',
  )
  t.equal(await version(url('core/base/pkgs/glibc/latest')), '2.41 of base')
  t.equal(await version(url('core/stable/pkgs/glibc/latest')), 404, 'in the channel asked for')
  t.equal(
    await version('views/acceptance/pkgs/core/small/latest'),
    '1.1.0 of acceptance',
    'the path of 2016 names no channel',
  )
  t.equal(await version('views/acceptance/pkgs/core/glibc/latest'), 404)

  t.strictSame(
    await list(url('core/base/pkgs')),
    ['glibc/2.41', 'small/1.0.0', 'small/1.1.0', 'small/2.0.0'],
    'small/2.0.0 is there for Windows',
  )
  t.strictSame(await list(url('core/base/pkgs/small')), ['small/1.0.0', 'small/1.1.0', 'small/2.0.0'])
  t.strictSame(await list(url('core/base/pkgs/small/2.0.0')), ['small/2.0.0'])
  t.strictSame(await list(url('core/stable/pkgs')), ['small/1.0.0', 'small/1.1.0'])
  t.strictSame(await list(url('core/nothing/pkgs')), ['small/1.0.0', 'small/1.1.0'])
  t.strictSame(await list(url('core/base/pkgs/_latest?target=x86_64-linux')), ['glibc/2.41', 'small/1.1.0'])
  t.strictSame(await list(url('core/base/pkgs/_latest?target=x86_64-windows')), ['small/2.0.0'])

  await setVisibility(started, `core/small/1.1.0/${STAMP}`, 'private')
  t.equal(
    await version(url('core/base/pkgs/small/latest')),
    '2.0.0 of base',
    'an invisible pointer does not count',
  )
  t.equal(await version(url('core/base/pkgs/small/1.0.0/latest')), '1.0.0')
  t.strictSame(await list(url('core/base/pkgs/_latest?target=x86_64-linux')), ['glibc/2.41', 'small/2.0.0'])
  t.strictSame(await list(url('core/base/pkgs/small')), ['small/1.0.0', 'small/2.0.0'])
  t.equal(await version(url('core/base/pkgs/small/latest'), bearer()), '1.1.0 of acceptance')
})

test('a channel that promotions made and emptied can be created, and stays when it is empty', async (t) => {
  const started = await startDepot(t)
  await makeOrigin(started)
  const releases = await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  const named = async () =>
    ((await get(started, 'channels/acme')).json as unknown as { name: string }[]).map(({ name }) => name)
  await move(started, 'promote', 'acceptance', releases)
  t.ok((await named()).includes('acceptance'))
  await move(started, 'demote', 'acceptance', releases)
  t.notOk((await named()).includes('acceptance'))
  for (const status of [201, 409])
    t.equal(
      (
        await started.app.inject({
          method: 'POST',
          url: '/v1/depot/channels/acme/acceptance',
          headers: bearer(),
        })
      ).statusCode,
      status,
    )
  t.ok((await named()).includes('acceptance'))
})
