import { test } from 'tap'
import { bearer } from '../../support/origin.ts'
import { makeReleases, move } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'

// Names that are literal segments shadow packages of that name (habitat-today.md 3.2). Also tests what else a
// path may contain.

const STAMP = '20260101120000'
const RESERVED = [
  'latest',
  '_latest',
  'promote',
  'demote',
  'versions',
  'search',
  'pkgs',
  'channels',
  'views',
  'download',
]

test('packages may have the names of literal segments, and a literal segment wins', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    ...RESERVED.map((name) => `acme/${name}/1.0.0/${STAMP}`),
    `acme/app/versions/${STAMP}`,
    `acme/app/1.0.0/${STAMP}`,
    `search/app/1.0.0/${STAMP}`,
  )
  await move(started, 'promote', 'stable', releases)
  const get = async (path: string) => {
    const { statusCode, body } = await started.app.inject({ url: `/v1/depot/${path}`, headers: bearer() })
    return { status: statusCode, json: body === '' ? undefined : (JSON.parse(body) as unknown) }
  }
  for (const name of RESERVED) {
    t.match(await get(`pkgs/acme/${name}/latest`), { status: 200, json: { name } }, name)
    t.match(await get(`pkgs/acme/${name}/1.0.0/${STAMP}`), { status: 200, json: { name } })
    t.match(await get(`channels/acme/stable/pkgs/${name}/latest`), { status: 200, json: { name } })
    t.match(await get(`channels/acme/stable/pkgs/${name}/1.0.0/${STAMP}`), { status: 200, json: { name } })
    t.match(await get(`channels/acme/stable/pkgs/${name}/1.0.0`), { status: 200, json: { total_count: 1 } })
    const ways = ['promote', 'demote'].map((act) =>
      started.app.inject({
        method: 'PUT',
        url: `/v1/depot/channels/acme/stable/pkgs/${name}/1.0.0/${STAMP}/${act}`,
        headers: bearer(),
      }),
    )
    t.match(await Promise.all(ways), [{ statusCode: 200 }, { statusCode: 200 }])
    await started.app.inject({
      method: 'PUT',
      url: `/v1/depot/channels/acme/stable/pkgs/${name}/1.0.0/${STAMP}/promote`,
      headers: bearer(),
    })
  }
  t.match(
    await get('channels/acme/stable/pkgs/_latest?target=x86_64-linux'),
    { json: { channel: 'stable' } },
    'not the package _latest',
  )
  t.match(
    await get('pkgs/acme/app/versions'),
    { json: [{ version: '1.0.0' }, { version: 'versions' }] },
    'not the version "versions"',
  )
  t.match(await get('pkgs/acme/app/versions/latest'), { json: { ident: { version: 'versions' } } })
  t.match(await get('pkgs/search/app'), { json: { total_count: 3 } }, 'not the origin "search"')
  t.match(
    await get('pkgs/search'),
    { json: { total_count: 1, data: [{ origin: 'search' }] } },
    'which has its other routes',
  )
  t.match(await get('pkgs/search/app/1.0.0'), { json: { total_count: 1, data: [{ origin: 'search' }] } })
})

test('segments are decoded after they are split, and a slash in one matches nothing', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/app/1.0.0+b~1/${STAMP}`)
  const status = async (path: string, method: 'GET' | 'DELETE' = 'GET') =>
    (await started.app.inject({ method, url: `/v1/depot/${path}`, headers: bearer() })).statusCode
  for (const version of ['1.0.0+b~1', '1.0.0%2Bb~1', '1.0.0%2bb%7E1'])
    t.equal(await status(`pkgs/acme/app/${version}/${STAMP}`), 200, version)
  for (const path of [
    `pkgs/acme%2Fapp/1.0.0+b~1/${STAMP}`,
    `pkgs/acme/app/1.0.0+b~1%2F${STAMP}/latest`,
    'channels/acme/unstable/pkgs/app%2F1.0.0/latest',
    'pkgs/acme/app%252F1/latest',
  ]) {
    t.equal(await status(path), path.startsWith('pkgs/acme%2F') ? 200 : 404, path)
  }
  t.equal(await status(`pkgs/acme/app%2Fx/1.0.0/${STAMP}`, 'DELETE'), 422)
})

test('one trailing slash is ignored, and more are empty segments', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/app/1.0.0/${STAMP}`)
  const get = async (path: string) => {
    const { statusCode, body } = await started.app.inject({ url: `/v1/depot/${path}` })
    return {
      status: statusCode,
      total: body === '' ? undefined : (JSON.parse(body) as { total_count?: number }).total_count,
    }
  }
  t.match(await get('pkgs/acme/'), { status: 200, total: 1 })
  t.match(await get('pkgs/acme/app/latest/'), { status: 200 })
  t.match(await get('pkgs/search/app/'), { status: 200, total: 1 })
  for (const path of [
    'pkgs//acme',
    'pkgs/acme//app',
    'pkgs/acme//',
    '/pkgs/acme',
    'channels//unstable/pkgs',
    'pkgs/acme/app//latest',
  ]) {
    const { status, total = 0 } = await get(path)
    t.ok([200, 404].includes(status) && total === 0, `${path}: ${status}`)
  }
})

test('names are case-sensitive, except in searches', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, `acme/App/1.0.0/${STAMP}`, `acme/app/2.0.0/${STAMP}`)
  const total = async (path: string) =>
    (JSON.parse((await started.app.inject({ url: `/v1/depot/${path}` })).body) as { total_count: number })
      .total_count
  t.equal(await total('pkgs/acme/App'), 1)
  t.equal(await total('pkgs/acme/APP'), 0)
  t.equal(await total('pkgs/ACME'), 0)
  t.equal(await total('channels/acme/UNSTABLE/pkgs'), 0)
  t.equal(await total('pkgs/search/APP'), 2)
  t.equal((await started.app.inject({ url: '/v1/Depot/pkgs/acme' })).statusCode, 404)
  t.equal(
    (await started.app.inject({ url: '/v1/depot/pkgs/acme/App/latest?target=X86_64-Linux' })).statusCode,
    422,
  )
})
