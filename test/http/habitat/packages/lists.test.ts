import { test } from 'tap'
import { makeReleases, move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

const NO_CACHE = 'private, no-cache, no-store'
const many = Array.from({ length: 120 }, (_, n) => `acme/app/1.${n}.0/20260101120000`)
const byText = many.toSorted()

async function get(started: TestDepot, path: string, headers: Record<string, string> = {}) {
  const { statusCode, headers: given, body } = await started.app.inject({ url: `/v1/depot/${path}`, headers })
  return {
    status: statusCode,
    headers: given,
    body,
    json: body === '' ? undefined : (JSON.parse(body) as unknown),
  }
}

interface Listed {
  readonly origin: string
  readonly name: string
  readonly version: string
  readonly release: string
}

function identsOf(items: unknown): string[] {
  return (items as Listed[]).map(({ origin, name, version, release }) =>
    [origin, name, version, release].join('/'),
  )
}

test('lists have pages of fifty, by ident text, highest first', async (t) => {
  const started = await startDepot(t)
  await makeReleases(
    started,
    ...many,
    'acme/app/1.0.0/20260101120000 for x86_64-windows',
    'acme/app-tools/1/20260101120000',
    'acme2/app/1/20260101120000',
  )
  const expected = byText.toReversed()
  const pages = [
    ['', 206, 0, 49],
    ['?range=50', 206, 50, 99],
    ['?range=100', 200, 100, 119],
    ['?range=73', 200, 73, 119],
    ['?range=120', 200, 120, 120],
    ['?range=', 206, 0, 49],
  ] as const
  for (const [query, status, start, end] of pages) {
    const page = await get(started, `pkgs/acme/app${query}`)
    const data = (page.json as { data: unknown }).data
    t.match(
      page,
      {
        status: status === 200 && end - start >= 50 ? 206 : status,
        headers: { 'cache-control': NO_CACHE, 'content-type': 'application/json; charset=utf-8' },
      },
      query,
    )
    t.match(page.json, { range_start: start, total_count: 120 })
    t.same(identsOf(data), expected.slice(start, Math.min(start + 50, 120)))
  }
  const all = await get(started, 'pkgs/acme/app?range=-1')
  t.match(all, { status: 200, json: { range_start: 0, range_end: 119, total_count: 120 } })
  t.same(identsOf((all.json as { data: unknown }).data), expected, 'a negative offset asks for all')
  t.match((await get(started, 'pkgs/acme/app/1.0.0')).json, {
    total_count: 1,
    data: [{ channels: ['unstable'], platforms: ['x86_64-linux', 'x86_64-windows'] }],
  })
  t.match(
    (await get(started, 'pkgs/acme')).json,
    { total_count: 121 },
    'an origin is not the beginning of another',
  )
  for (const path of [
    'pkgs/nobody',
    'pkgs/acme/nothing',
    'pkgs/acme/app/9',
    'pkgs/ac%25me',
    `pkgs/${'a'.repeat(300)}`,
    'pkgs/%00',
    'pkgs/acme%2Fx/app',
  ]) {
    t.match(
      await get(started, path),
      { status: 200, json: { range_start: 0, range_end: 0, total_count: 0, data: [] } },
      path,
    )
  }
  t.match(await get(started, 'pkgs/acme?range=first'), { status: 400, body: '' })
})

test('below a view, lists are the bare arrays of 2016 and hold its members', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(started, ...many, 'acme/app-tools/1/20260101120000')
  await move(started, 'promote', 'acceptance', releases.slice(0, 60))
  const members = many.slice(0, 60).toSorted()
  const pages = [
    [{}, 206, '0..50; count=60', '51', members.slice(0, 50)],
    [{ range: '51' }, 200, '50..100; count=60', undefined, members.slice(50)],
    [{ range: '0' }, 206, '0..50; count=60', '51', members.slice(0, 50)],
    [{ range: 'bytes=0-10' }, 206, '0..50; count=60', '51', members.slice(0, 50)],
    [{ range: '99999999' }, 200, '99999998..100000048; count=60', undefined, []],
  ] as const
  for (const place of ['views/acceptance', 'views/acceptance/depot']) {
    for (const [headers, status, range, next, expected] of pages) {
      const page = await get(started, `${place}/pkgs/acme/app`, headers)
      t.match(page, {
        status,
        headers: {
          'content-range': range,
          'x-content-range': range,
          vary: 'range',
          'cache-control': NO_CACHE,
        },
      })
      t.equal(page.headers['next-range'], next)
      t.same(identsOf(page.json), expected)
    }
  }
  t.strictSame((await get(started, 'views/acceptance/pkgs/acme/app/1.0.0')).json, [
    { origin: 'acme', name: 'app', version: '1.0.0', release: '20260101120000' },
  ])
  for (const path of [
    'views/union/pkgs/acme',
    'views/acceptance/pkgs/acme/ap',
    'views/acceptance/pkgs/acme/app/1',
  ]) {
    t.match(
      await get(started, path),
      { status: 200, body: '[]', headers: { 'content-range': '0..50; count=0' } },
      path,
    )
  }
})

test('views, and the channels of an origin and of a package, are listed', async (t) => {
  const started = await startDepot(t)
  const [release] = await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  await move(started, 'promote', 'acceptance', release ? [release] : [])
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'canary', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await get(started, 'views'), {
    status: 200,
    json: ['unstable', 'acceptance', 'union', 'rehearsal', 'delivered', 'stable', 'base', 'canary'],
    headers: { 'cache-control': NO_CACHE },
  })
  t.strictSame((await get(started, 'channels/acme')).json, [
    { name: 'acceptance' },
    { name: 'canary' },
    { name: 'stable' },
    { name: 'unstable' },
  ])
  t.strictSame((await get(started, 'views/acceptance/depot/channels/acme')).json, [
    { name: 'acceptance' },
    { name: 'canary' },
    { name: 'stable' },
    { name: 'unstable' },
  ])
  t.match(await get(started, 'channels/nobody'), { status: 200, body: '[]' })
  const channels = (await get(started, 'pkgs/acme/app/1.0.0/20260101120000/channels')).json as Record<
    string,
    string
  >[]
  t.same(
    channels.map(({ name }) => name),
    ['unstable', 'acceptance'],
    'by name, descending',
  )
  for (const { created_at, promoted_at } of channels)
    t.match([created_at, promoted_at].join(' '), /^2026-01-01T00:00:00\.\d{6} 2026-01-01T00:00:00\.\d{6}$/)
  t.match(await get(started, 'pkgs/acme/app/9/20260101120000/channels'), { status: 200, body: '[]' })
})

test('error bodies are empty, except for hab, which gets the reason', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  const download = 'pkgs/acme/app/9/20260101120000/download'
  for (const agent of ['Faraday v0.9.2', 'Mozilla/5.0 hab', 'lightMyRequest']) {
    t.match(
      await get(started, download, { 'user-agent': agent }),
      { status: 404, body: '', headers: { 'content-length': '0' } },
      agent,
    )
  }
  for (const agent of [
    'hab/2.1.78/20260801000000 (x86_64-linux; 6.12.0)',
    'hab-sup/0.8.0/20160708162234 (x86_64-linux; 4.4.0)',
  ]) {
    const told = await get(started, download, { 'user-agent': agent })
    t.match(told, { status: 404, headers: { 'content-type': 'application/json' } })
    t.match(told.json, { code: 4, msg: /acme\/app\/9\/20260101120000/ }, agent)
  }
  for (const path of [
    'nothing',
    'pkgs',
    'pkgs/a/b/c/d/e',
    'views/acceptance/nothing',
    'origins/acme/keys/a/b',
    '%2e%2e/%2e%2e/etc/passwd',
    'views/acceptance/origins',
  ]) {
    t.match(
      await get(started, path, { 'user-agent': 'hab/2.1.78' }),
      { status: 404, body: '' },
      `${path} is no route`,
    )
  }
  for (const path of ['pkgs/%', 'pkgs/%zz', 'pkgs/acme/%c3%28', 'views/%ff/pkgs/a/b/latest']) {
    t.match(await get(started, path), { status: 400, body: '' }, `${path} cannot be decoded`)
  }
  t.ok(
    started.logged.some((line) => /the URL cannot be decoded/.test(String(line['refusal']))),
    'and the log names it',
  )
  t.match(await started.app.inject({ url: '/v1/status' }), { statusCode: 200, body: '' })
  t.match(await started.app.inject({ method: 'HEAD', url: '/v1/status' }), { statusCode: 200, body: '' })
})
