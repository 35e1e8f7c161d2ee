import tap, { test } from 'tap'
import { buildHart } from '../../../support/build-hart.ts'
import type { BuiltHart } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { converse } from '../../../support/ask.ts'
import { bearer, makeOrigin, upload, uploadPath } from '../../../support/origin.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { traces } from '../../../support/traces.ts'

const started = await startDepot(tap, { listen: true })
const { depot } = started
for (const origin of ['acme', 'core', 'full']) await makeOrigin(started, origin)
const ci = await started.account('ci')
await callApi(started, 'PUT', '/api/v1/origins/acme/members/ci', { body: { role: 'member' } })

let versions = 0
/** A package of about `kilobytes` KiB that is not published yet. */
function fresh(origin = 'acme', kilobytes = 1): BuiltHart {
  versions += 1
  return buildHart({
    ident: `${origin}/app/1.0.${versions}/20260101120000`,
    files: [{ path: 'content', content: Buffer.alloc(kilobytes * 1024, 'x') }],
  })
}

const send = (hart: BuiltHart, { query = '', token = ci } = {}) =>
  callApi(started, 'POST', `/api/v1/releases${query}`, {
    body: hart.bytes,
    token,
    headers: { 'content-type': 'application/octet-stream' },
  })
const setQuota = (path: string, bytes: number | null, token?: string) =>
  callApi(started, 'PUT', `/api/v1/${path}quota`, { body: { bytes }, ...(token && { token }) })
const storageOf = async (path: string, token?: string) =>
  callApi(started, 'GET', `/api/v1/${path}storage`, token === undefined ? {} : { token })
const entries = async (kind: string) =>
  (
    (await callApi(started, 'GET', `/api/v1/events?kind=${kind}`)).body as {
      events: { event: object }[]
    }
  ).events.map(({ event }) => event)

test('a release that exceeds the quota of its origin is refused, and leaves nothing', async (t) => {
  const first = fresh()
  t.match(await send(first), { status: 201, body: { warnings: [] } })
  const quota = Math.floor(first.bytes.length * 1.5)
  t.match(await setQuota('origins/acme/', quota, ci), { status: 403, differences: '' })
  t.match(await setQuota('origins/acme/', quota), {
    status: 200,
    differences: '',
    body: { origin: 'acme', used_bytes: first.bytes.length, quota_bytes: quota, warning: null },
  })
  const before = await traces(depot)
  const second = fresh()
  t.match(await send(second), {
    status: 409,
    differences: '',
    body: {
      code: 'quota_exceeded',
      detail: /the origin acme uses .* of its quota of .*; nothing was stored/,
    },
  })
  t.match(await upload(started, second), { status: 403, text: '' })
  t.match(await upload(started, second, { headers: { ...bearer(), 'user-agent': 'hab/2.1.78' } }), {
    status: 403,
    text: /acme\/app\/1\.0\.2\/.*quota/,
  })
  t.same(await traces(depot), before)
  t.match(await send(fresh('core'), { token: undefined }), { status: 403 }, 'ci has no role in core')

  t.match(await setQuota('origins/acme/', null), { status: 200, body: { quota_bytes: null } })
  t.match(await send(second), { status: 201, body: { warnings: [] } })
  t.strictSame(await entries('quota-set'), [
    { origin: 'acme', bytes: quota },
    { origin: 'acme', bytes: null },
  ])
})

test('a client learns it before it sends the file', async (t) => {
  await setQuota('origins/full/', 1024 * 1024)
  const hart = fresh('full')
  for (const [path, status] of [
    [uploadPath(hart), 403],
    ['/api/v1/releases?origin=full', 409],
  ] as const) {
    const talk = converse(started.url)
    const head = [
      `POST ${path} HTTP/1.1`,
      'host: depot',
      `authorization: ${bearer().authorization}`,
      `content-length: ${2 * 1024 * 1024}`,
      'content-type: application/octet-stream',
    ]
    await talk.say(`${head.join('\r\n')}\r\n\r\n`)
    t.ok((await talk.hear(/\r\n\r\n/)).startsWith(`HTTP/1.1 ${status}`), path)
    talk.socket.destroy()
  }
  t.match(await send(hart, { query: '?origin=full' }), { status: 403 }, 'the caller must be a member')
})

test('a client that announces no length is refused while it sends', async (t) => {
  await setQuota('origins/full/', 1024 * 1024)
  const hart = buildHart({ ident: 'full/big/1/20260101120000' })
  const talk = converse(started.url)
  const head = [
    `POST ${uploadPath(hart)} HTTP/1.1`,
    'host: depot',
    `authorization: ${bearer().authorization}`,
    'transfer-encoding: chunked',
  ]
  await talk.say(`${head.join('\r\n')}\r\n\r\n`)
  const chunk = Buffer.concat([hart.bytes, Buffer.alloc(1024 * 1024)])
  const answered = talk.hear(/\r\n\r\n/)
  for (let i = 0; i < 6; i += 1)
    await talk.say(
      Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]),
    )
  t.match(await answered, /^HTTP\/1\.1 403/)
  talk.socket.destroy()
})

test('the depot has a quota, which only the transaction decides at last', async (t) => {
  await setQuota('origins/full/', null)
  const used = (await storageOf('')).body?.['used_bytes'] as number
  const harts = Array.from({ length: 4 }, () => fresh('full'))
  const [one] = harts.map(({ bytes }) => bytes.length)
  const quota = used + 2 * (one ?? 0) + 10
  t.match(await setQuota('storage/', quota), { status: 200, differences: '', body: { quota_bytes: quota } })
  const answers = await Promise.all(harts.map((hart) => upload(started, hart)))
  t.strictSame(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [201, 201, 403, 403],
    'of four at once, two find room',
  )
  const published = harts.find((_, index) => answers[index]?.status === 201)
  const again = { query: `?checksum=${published?.checksum ?? ''}` }
  t.match(await callApi(started, 'GET', '/api/v1/storage?format=text'), {
    text: /warning: the depot uses 9\d %/,
  })
  if (published !== undefined)
    t.match(
      await callApi(started, 'POST', `/api/v1/releases${again.query}`, {
        body: published.bytes,
        headers: {},
      }),
      { status: 200 },
      'a release that is there needs no room',
    )
  await setQuota('storage/', null)
})

test('a quota that is nearly used up is told to the publisher, the feed and the log, once', async (t) => {
  await send(fresh('acme', 64))
  const used = (await storageOf('origins/acme/')).body?.['used_bytes'] as number
  const hart = fresh()
  const size = hart.bytes.length
  await setQuota('origins/acme/', Math.floor((used + size) / 0.85))
  t.match(await send(hart), {
    status: 201,
    differences: '',
    body: { warnings: [/^the origin acme uses 8[45] % of its quota of /] },
  })
  const near = await entries('quota-neared')
  t.match(near.at(-1), { origin: 'acme', used_bytes: used + size })
  t.match(await send(fresh()), { status: 201, body: { warnings: [/9\d %/] } })
  t.strictSame(await entries('quota-neared'), near)
  t.equal(
    started.logged.filter(({ msg, origin }) => msg === 'a quota is nearly used up' && origin === 'acme')
      .length,
    1,
  )
  t.match(await storageOf('origins/acme/'), { differences: '', body: { warning: /9\d %/ } })
  const { text } = await callApi(started, 'GET', '/metrics')
  t.match(text, /^hart_depot_origin_quota_bytes\{origin="acme"\} \d+$/m)
  t.match(text, /^hart_depot_origin_bytes\{origin="acme"\} \d+$/m)
  t.match(text, /^hart_depot_quotas_nearly_used 1$/m)
  t.match(text, /^hart_depot_quota_bytes \+Inf$/m)
  t.match(text, /^hart_depot_release_bytes\{age="this month and the last"\} \d+$/m)
  const stranger = await started.account('stranger')
  t.match(
    (await callApi(started, 'GET', '/api/v1/events?kind=quota-neared', { token: stranger })).body?.['events'],
    [],
    'only members see it',
  )
  await setQuota('origins/acme/', null)
})

test('sizes are listed by origin, package and month, for those who may see them', async (t) => {
  const all = (path: string, token?: string) =>
    callApi(started, 'GET', `/api/v1/${path}`, token === undefined ? {} : { token })
  const origins = (await all('storage/origins')).body as { origins: { origin: string; used_bytes: number }[] }
  const depotStorage = (await storageOf('')).body as { used_bytes: number; releases: number }
  t.equal(
    origins.origins.reduce((sum, { used_bytes: bytes }) => sum + bytes, 0),
    depotStorage.used_bytes,
  )
  t.strictSame(
    origins.origins.map(({ origin }) => origin),
    ['acme', 'core', 'full'],
  )
  t.match((await all('storage/origins', ci)).body?.['origins'], [{ origin: 'acme' }])
  const first = await all('storage/origins?limit=1')
  t.equal(first.differences, '')
  t.match(
    (await all(String(first.body?.['next']).replace('/api/v1/', ''))).body?.['origins'],
    origins.origins.slice(1, 2),
  )

  const acme = (await storageOf('origins/acme/', ci)).body as { used_bytes: number; releases: number }
  t.match(await all('origins/acme/storage/packages', ci), {
    differences: '',
    body: { packages: [{ package: 'acme/app', releases: acme.releases, used_bytes: acme.used_bytes }] },
  })
  t.match(acme, { months: [{ month: '2026-01', releases: acme.releases, bytes: acme.used_bytes }] })
  t.match(await all('origins/acme/storage/packages?before=2026-01'), { body: { packages: [] } })
  t.match(await all('storage/origins?before=2026-01'), { body: { origins: [{ used_bytes: 0 }] } })
  for (const path of ['storage', 'origins/core/storage', 'origins/core/storage/packages'])
    t.match(await all(path, ci), { status: 403, differences: '' }, path)
  t.match((await all('origins/acme/storage?format=text')).text, /RECEIVED IN +RELEASES +BYTES\n2026-01/)
  t.match((await all('storage/origins?format=text')).text, /^ORIGIN +RELEASES +USED +QUOTA/)
  t.match((await all('origins/acme/storage/packages?format=text')).text, /acme\/app/)

  const gone = fresh()
  await send(gone)
  const path = `/v1/depot/pkgs/acme/app/${gone.ident.version}/${gone.ident.release}`
  t.match(await callApi(started, 'DELETE', path), { status: 204 })
  t.match((await storageOf('origins/acme/')).body, acme)
})
