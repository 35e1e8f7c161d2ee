import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000')
await move(started, 'promote', 'union', releases)

const READS = [
  'views',
  'views/union',
  'views/union/content',
  'views/union/gates',
  'views/union/members',
  'views/union/history',
  'views/union/revisions/1',
  'views/union/latest/acme/app',
  'views/union/latest/acme/app/1.0.0',
  'origins/acme',
  'origins/acme/members',
  'releases/acme/app/1.0.0/20260101000000',
  'whoami',
  'events',
  'ledger',
]
const NO_TEXT = /^(origins|releases|whoami)/

test('every read has an entity tag, and answers 304 to it', async (t) => {
  for (const read of READS) {
    const url = `/api/v1/${read}`
    const { headers, text } = await callApi(started, 'GET', url)
    const tag = String(headers['etag'])
    t.match(tag, /^"[^"]+"$/, read)
    t.match(headers, { vary: /authorization/, 'cache-control': /private|no-store/ }, read)
    for (const known of [tag, `W/${tag}`, '*', `"other", ${tag}`])
      t.match(
        await callApi(started, 'GET', url, { headers: { 'if-none-match': known } }),
        { status: 304, text: '', headers: { etag: tag, vary: /authorization/ } },
        `${read} ${known}`,
      )
    t.match(
      await callApi(started, 'GET', url, { headers: { 'if-none-match': '"other"' } }),
      { status: 200, text },
      read,
    )
    const head = await started.app.inject({
      method: 'HEAD',
      url,
      headers: { authorization: 'Bearer administrator-token-of-the-tests' },
    })
    t.equal(head.headers['etag'], tag, `HEAD ${read}`)
    if (!NO_TEXT.test(read))
      t.not((await callApi(started, 'GET', `${url}?format=text`)).headers['etag'], tag, `${read} as text`)
  }
})

test('errors and changes have no entity tag', async (t) => {
  for (const url of ['views/nowhere', 'views?limit=0', 'nothing']) {
    const answer = await callApi(started, 'GET', `/api/v1/${url}`, { headers: { 'if-none-match': '*' } })
    t.ok(answer.status >= 400, url)
    t.equal(answer.headers['etag'], undefined, url)
  }
  t.equal(
    (await callApi(started, 'POST', '/api/v1/views', { body: { name: 'mine' } })).headers['etag'],
    undefined,
  )
})

test('settings that somebody else has changed are not replaced, if the request has their tag', async (t) => {
  for (const { read, write = read, one, two } of [
    { read: 'views/union/gates', one: { closure: 'depot' }, two: {} },
    { read: 'views/union/gates?format=text', write: 'views/union/gates', one: { closure: 'view' }, two: {} },
    { read: 'views/union', one: { ungoverned: ['core'] }, two: { ungoverned: ['chef'] } },
  ]) {
    const tagNow = async () => String((await callApi(started, 'GET', `/api/v1/${read}`)).headers['etag'])
    const put = async (body: object, tag: string) =>
      callApi(started, 'PUT', `/api/v1/${write}`, { body, headers: { 'if-match': tag } })
    const tag = await tagNow()
    t.match(await put(one, tag), { status: 200, differences: '' }, read)
    const refused = { status: 412, differences: '', body: { code: 'stale_settings', detail: /union/ } }
    t.match(await put(two, tag), refused, read)
    t.match(await put(one, tag), { status: 200 }, 'a repeated request')
    t.match(
      await put(two, `W/${await tagNow()}`),
      { status: 200 },
      'nginx makes tags weak when it compresses',
    )
    t.match(await put(one, '*'), { status: 200 }, read)
    t.match(await put(two, 'union'), { status: 400, differences: '' }, read)
  }
  const replace = async (origin: string, tag: unknown) =>
    callApi(started, 'PUT', '/api/v1/views/union', {
      body: { ungoverned: [origin] },
      headers: { 'if-match': String(tag) },
    })
  const answered = await replace('core', '*')
  t.match(await replace('chef', answered.headers['etag']), { status: 200 }, 'the tag of an answer to PUT')
  t.match(await replace('core', answered.headers['etag']), { status: 412 })
  const { headers } = await callApi(started, 'PUT', '/api/v1/views/union/gates', { body: {} })
  t.equal(headers['etag'], (await callApi(started, 'GET', '/api/v1/views/union/gates')).headers['etag'])
})
