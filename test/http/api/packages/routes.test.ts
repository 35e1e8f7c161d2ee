import { readFileSync } from 'node:fs'
import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
const STAMP = '20260101000000'
const SECRET = `acme/secret/1.0.0/${STAMP}`
const [old, , , web] = await makeReleases(
  started,
  `acme/app/1.9.0/${STAMP}`,
  `acme/app/1.10.0/${STAMP}`,
  `acme/app/1.10.0/${STAMP} for x86_64-windows`,
  `acme/web/1.0.0/${STAMP}`,
  SECRET,
  `umbrella/app-server/1.0.0/${STAMP}`,
)
await setVisibility(started, SECRET, 'private')
await move(
  started,
  'promote',
  'acceptance',
  [old, web].flatMap((release) => release ?? []),
)

const get = (url: string, token?: string | null) =>
  callApi(started, 'GET', `/api/v1${url}`, token === undefined ? {} : { token })

test('the packages of an origin are listed in pages, with their targets and views', async (t) => {
  const first = await get('/origins/acme/packages?limit=1')
  t.match(first, {
    status: 200,
    differences: '',
    body: {
      origin: 'acme',
      packages: [
        {
          package: 'acme/app',
          targets: ['x86_64-linux', 'x86_64-windows'],
          views: ['acceptance', 'unstable'],
        },
      ],
    },
  })
  const second = await callApi(started, 'GET', String(first.body?.['next']))
  t.match(second.body, { packages: [{ package: 'acme/secret', views: ['unstable'] }], next: String })
  t.match(await get('/origins/acme/packages', null), {
    body: { packages: [{ package: 'acme/app' }, { package: 'acme/web' }], next: null },
  })
  t.match(await get('/origins/nobody/packages'), { status: 404 })
  t.match(await get('/origins/acme/packages?format=text'), { text: /^PACKAGE .*\nacme\/app +x86_64-linux,/ })
})

test('the releases of a package are listed, highest first, with the views of each', async (t) => {
  const first = await get('/packages/acme/app/releases?limit=2')
  t.match(first, {
    status: 200,
    differences: '',
    body: {
      package: 'acme/app',
      releases: [
        { ident: `acme/app/1.10.0/${STAMP}`, target: 'x86_64-windows', views: ['unstable'] },
        { ident: `acme/app/1.10.0/${STAMP}`, target: 'x86_64-linux' },
      ],
    },
  })
  t.match((await callApi(started, 'GET', String(first.body?.['next']))).body, {
    releases: [{ ident: `acme/app/1.9.0/${STAMP}`, views: ['acceptance', 'unstable'], visibility: 'public' }],
    next: null,
  })
  t.match((await get('/packages/acme/app/releases?version=1.9.0')).body, { releases: { length: 1 } })
})

test('a private package is absent for everyone else', async (t) => {
  t.match(await get('/packages/acme/secret/releases'), { status: 200, body: { releases: { length: 1 } } })
  const [hidden, absent] = [
    await get('/packages/acme/secret/releases', null),
    await get('/packages/acme/nosuch/releases', null),
  ]
  t.match(hidden, { status: 404, differences: '', body: { detail: 'there is no package acme/secret' } })
  t.match(absent, { status: 404, body: { detail: 'there is no package acme/nosuch' } })
})

test('packages are found by words, everywhere or in a view', async (t) => {
  const found = async (query: string, token?: string | null) =>
    ((await get(`/search?${query}`, token)).body as { packages: { package: string }[] }).packages.map(
      (item) => item.package,
    )
  t.strictSame(await found('q=app'), ['acme/app', 'umbrella/app-server'])
  t.strictSame(await found('q=acme%20ap'), ['acme/app'])
  t.strictSame(await found('q=app&view=acceptance'), ['acme/app'])
  t.strictSame(await found('q=secr'), ['acme/secret'])
  t.strictSame(await found('q=secr', null), [])
  const first = await get('/search?q=app&limit=1')
  t.equal(first.differences, '')
  t.match((await callApi(started, 'GET', String(first.body?.['next']))).body, {
    packages: [{ package: 'umbrella/app-server' }],
    next: null,
  })
  t.strictSame(await found('q=erve'), ['umbrella/app-server'])
  t.strictSame(await found('q=name:app'), ['acme/app'])
  t.strictSame(await found('q=version:1.*%20target:x86_64-windows'), ['acme/app'])
  t.strictSame(await found('q=signed-by:acme-*%20in:acceptance'), ['acme/app', 'acme/web'])
  t.strictSame(await found('q=version:1.10.0%20in:acceptance'), [], 'the same release must match both')
  t.match(await get('/search?q=app%20in:stable&view=acceptance'), { status: 400, differences: '' })
  t.match(await get('/search?q=app%20in:nowhere'), { status: 404, differences: '' })
  const cursor = new URL(String(first.body?.['next']), 'http://depot').searchParams.get('cursor') ?? ''
  const place = Buffer.from(cursor, 'base64url').toString()
  t.notMatch(place, /app/, 'a cursor names no package')
  t.match(
    await get(
      `/search?q=app&limit=1&cursor=${Buffer.from(place.replace(/.{4}"]$/, 'AAAA"]')).toString('base64url')}`,
    ),
    {
      status: 400,
      body: { errors: [{ pointer: '/cursor' }] },
    },
  )
  t.match(await get('/search?q=%20'), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/q' }] },
  })
  t.match(await get('/search?q=app&view=nowhere'), { status: 404 })
})

test('the version is that of the package', async (t) => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  t.match(await get('/version', null), {
    status: 200,
    differences: '',
    body: { name: 'hart-depot', version },
  })
})
