import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const started = await startDepot(tap)
const member = await started.account('member')
const narrowed = await started.account('narrowed', { origins: ['acme'] })
await started.depot.writer.submit({
  kind: 'addAccount',
  input: { name: 'root', isAdministrator: true },
  actor: { client: 'tests', door: 'cli' },
})

test('the built-in views are listed in the order of the pipeline', async (t) => {
  const { status, body, differences } = await callApi(started, 'GET', '/api/v1/views', { token: null })
  t.equal(status, 200)
  t.equal(differences, '')
  t.match(body, {
    next: null,
    views: [
      { name: 'unstable', rule: 'highest', maker: 'depot', revision: 0 },
      { name: 'acceptance', rule: 'promoted' },
    ],
  })
})

test('lists have pages that link to the next one', async (t) => {
  const names: unknown[] = []
  let url: unknown = '/api/v1/views?limit=3'
  while (typeof url === 'string') {
    const { body, headers, differences } = await callApi(started, 'GET', url)
    t.equal(differences, '')
    const next = body?.['next']
    t.equal(headers['link'], typeof next === 'string' ? `<${next}>; rel="next"` : undefined)
    names.push(...((body ?? {})['views'] as { name: string }[]).map(({ name }) => name))
    url = next
  }
  t.strictSame(names, ['unstable', 'acceptance', 'union', 'rehearsal', 'delivered', 'stable', 'base'])
})

test('a cursor that is malformed or of another list is refused by name', async (t) => {
  const { body } = await callApi(started, 'GET', '/api/v1/views?limit=1')
  const cursor = new URL(String(body?.['next']), 'http://depot').searchParams.get('cursor') ?? ''
  for (const url of [
    `/api/v1/views/stable/history?cursor=${cursor}`,
    '/api/v1/views?cursor=nonsense',
    '/api/v1/views?cursor=W10',
    `/api/v1/views?cursor=${cursor.slice(0, -4)}`,
  ]) {
    const answer = await callApi(started, 'GET', url)
    t.match(
      answer,
      { status: 400, differences: '', body: { code: 'invalid_request', errors: [{ pointer: '/cursor' }] } },
      url,
    )
  }
})

test('a limit above a thousand and an unknown parameter are refused by name', async (t) => {
  t.match(await callApi(started, 'GET', '/api/v1/views?limit=1001'), {
    status: 400,
    body: { errors: [{ pointer: '/limit' }] },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views?offset=3'), {
    status: 400,
    body: { errors: [{ pointer: '/offset' }] },
  })
})

test('an administrator can create a view once', async (t) => {
  const made = await callApi(started, 'POST', '/api/v1/views', {
    body: { name: 'app.production@acme', rule: 'highest' },
  })
  t.match(made, {
    status: 201,
    differences: '',
    headers: { location: '/api/v1/views/app.production%40acme' },
    body: { maker: 'operator', rule: 'highest' },
  })
  t.match(await callApi(started, 'GET', String(made.headers['location'])), {
    status: 200,
    differences: '',
    body: { name: 'app.production@acme' },
  })
  t.match(await callApi(started, 'POST', '/api/v1/views', { body: { name: 'app.production@acme' } }), {
    status: 409,
    differences: '',
    body: { code: 'already_exists' },
  })
})

test('only administrators of the whole depot can create views', async (t) => {
  const body = { name: 'mine' }
  t.match(await callApi(started, 'POST', '/api/v1/views', { body, token: null }), {
    status: 401,
    headers: { 'www-authenticate': 'Bearer' },
    body: { code: 'unauthenticated' },
  })
  t.match(await callApi(started, 'POST', '/api/v1/views', { body, token: member }), {
    status: 403,
    differences: '',
    body: { code: 'forbidden' },
  })
  t.match(await callApi(started, 'POST', '/api/v1/views', { body, token: narrowed }), { status: 403 })
  t.match(await callApi(started, 'GET', '/api/v1/views/mine'), { status: 404 })
})

test('callers without the right get 403 before the body is checked', async (t) => {
  t.match(await callApi(started, 'POST', '/api/v1/views', { body: { nonsense: true }, token: null }), {
    status: 401,
  })
})

test('one error names a malformed name and all unknown fields', async (t) => {
  const { status, body, differences } = await callApi(started, 'POST', '/api/v1/views', {
    body: { name: '-x', rules: 1, 'a/b': 2 },
  })
  t.equal(status, 400)
  t.equal(differences, '')
  t.match(body, {
    code: 'invalid_request',
    errors: [{ pointer: '/name' }, { pointer: '/rules' }, { pointer: '/a~1b' }],
  })
})

test('a body is parsed as JSON whatever its type, and refused if it is not JSON', async (t) => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' } // the type that `curl -d` sends
  t.match(await callApi(started, 'POST', '/api/v1/views', { body: '{"name":"typed"}', headers }), {
    status: 201,
  })
  t.match(await callApi(started, 'POST', '/api/v1/views', { body: '{"name":', headers }), {
    status: 400,
    differences: '',
    body: { code: 'invalid_request' },
  })
  t.match(await callApi(started, 'POST', '/api/v1/views', { headers }), {
    status: 400,
    differences: '',
    body: { code: 'invalid_request' },
  })
})

test('the entity tag of a view starts with its revision, and a match gets 304', async (t) => {
  const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000')
  await move(started, 'promote', 'union', releases)
  const { headers, body } = await callApi(started, 'GET', '/api/v1/views/union')
  t.match(body, { revision: 1, packages: 1, revised_at: /Z$/ })
  t.match(headers['etag'], new RegExp(`^"${String(body?.['revision_id'])}-[0-9a-f]{32}-[0-9a-f]{12}"$`))
  t.match(
    await callApi(started, 'GET', '/api/v1/views/union', {
      headers: { 'if-none-match': String(headers['etag']) },
    }),
    { status: 304, text: '', headers: { vary: /authorization/ } },
  )
})

test('views are available as text in columns', async (t) => {
  const { headers, text, differences } = await callApi(started, 'GET', '/api/v1/views?limit=2', {
    headers: { accept: 'text/plain' },
  })
  t.equal(differences, '')
  t.match(headers, { 'content-type': 'text/plain; charset=utf-8', vary: /accept/ })
  t.match(
    text,
    /^VIEW +REVISION +RULE +MADE BY +MADE AT +UNGOVERNED\nunstable +1 +highest +depot +2026-01-01T00:00:00Z +core, chef\nacceptance .*\n\nmore: \/api\/v1\/views\?limit=2&cursor=\S+\n$/,
  )
})

test('JSON is the default format', async (t) => {
  for (const accept of [
    '*/*',
    'application/json',
    'application/json, text/plain',
    'text/plain;q=0.5, application/json',
    'text/html',
    'text/*;q=0.1, */*',
    '',
  ]) {
    t.match(
      (await callApi(started, 'GET', '/api/v1/views', { headers: { accept } })).headers['content-type'],
      /json/,
      accept,
    )
  }
  for (const accept of [
    'text/plain',
    'text/*',
    'text/plain, application/json;q=0.9',
    'application/json;q=0, */*',
  ]) {
    t.match(
      (await callApi(started, 'GET', '/api/v1/views', { headers: { accept } })).headers['content-type'],
      /text\/plain/,
      accept,
    )
  }
  t.match((await callApi(started, 'GET', '/api/v1/views?format=text')).headers['content-type'], /text\/plain/)
  t.match(
    (await callApi(started, 'GET', '/api/v1/views?format=json', { headers: { accept: 'text/plain' } }))
      .headers['content-type'],
    /json/,
  )
})

test('a wrong token is refused on every route, public ones too', async (t) => {
  t.match(await callApi(started, 'GET', '/api/v1/views', { token: 'wrong-token-of-nobody' }), {
    status: 401,
    differences: '',
  })
})

test('404 is a problem document with a code and the id of the request', async (t) => {
  const { status, headers, body } = await callApi(started, 'GET', '/api/v1/nothing/here')
  t.match({ status, body }, { status: 404, body: { code: 'not_found', request_id: /\S/ } })
  t.equal(headers['content-type'], 'application/problem+json; charset=utf-8')
  t.equal(headers['x-request-id'], body?.['request_id'])
})
