import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

const ident = (name: string, version: string) => `acme/${name}/${version}/20260101000000`
const row = (text: string) => ({ ident: text, target: 'x86_64-linux' }) as const

const started = await startDepot(tap)
const names = Array.from({ length: 7 }, (_, index) => `lib${index}`)
await makeReleases(
  started,
  ...['1.0.0', '2.0.0', '3.0.0'].map((version) => ident('app', version)),
  ...names.map((name) => ident(name, '1.0.0')),
  ident('web', '1.0.0'),
  ident('secret', '1.0.0'),
)
await makeReleases(started, 'umbrella/app/1.0.0/20260101000000')
await setVisibility(started, ident('app', '3.0.0'), 'private')
await setVisibility(started, ident('secret', '1.0.0'), 'private')
const friend = await started.account('friend')
await callApi(started, 'PUT', '/api/v1/origins/acme/members/friend', { body: { role: 'readonly_member' } })

// A view with a history of one revision each day.
await makeView(started, 'prod', 'promoted')
const day = (number: number) => START + number * 86_400_000
started.setClock(day(1))
await move(started, 'promote', 'prod', [row(ident('app', '1.0.0')), row(ident('web', '1.0.0'))], {
  reason: 'first light',
})
started.setClock(day(2))
await move(started, 'promote', 'prod', [row(ident('app', '2.0.0'))])
started.setClock(day(3))
await move(started, 'demote', 'prod', [row(ident('web', '1.0.0'))])
started.setClock(day(4))
await move(started, 'promote', 'prod', [row(ident('app', '3.0.0')), row(ident('lib0', '1.0.0'))], {
  reason: 'with the secret app 3',
})

const idents = (body: Record<string, unknown> | undefined, list: string) =>
  ((body ?? {})[list] as { ident: string }[]).map((item) => item.ident)
const contentAt = async (moment: string) =>
  (await callApi(started, 'GET', `/api/v1/views/prod/content?at=${encodeURIComponent(moment)}`)).body
const membersOf = async (query: string) =>
  idents(
    (await callApi(started, 'GET', `/api/v1/views/unstable/members?limit=1000&${query}`)).body,
    'members',
  )

test('content lists every latest with its revision and time', async (t) => {
  const { status, body, differences } = await callApi(
    started,
    'GET',
    '/api/v1/views/prod/content?origin=acme&name=app',
  )
  t.equal(status, 200)
  t.equal(differences, '')
  t.match(body, {
    view: 'prod',
    revision: 4,
    at: /^2026-01-05/,
    next: null,
    pointers: [
      {
        package: 'acme/app',
        target: 'x86_64-linux',
        ident: ident('app', '3.0.0'),
        since_revision: 4,
        since: /^2026-01-05/,
      },
    ],
  })
})

test('content at a revision is what latest was then', async (t) => {
  t.strictSame(idents(await contentAt('0'), 'pointers'), [])
  t.strictSame(idents(await contentAt('1'), 'pointers'), [ident('app', '1.0.0'), ident('web', '1.0.0')])
  t.strictSame(idents(await contentAt('2'), 'pointers'), [ident('app', '2.0.0'), ident('web', '1.0.0')])
  t.strictSame(idents(await contentAt('3'), 'pointers'), [ident('app', '2.0.0')])
})

test('content at a time is that of the last revision before', async (t) => {
  t.match(await contentAt('2025-12-31T00:00:00Z'), { revision: 0, at: null, pointers: [] })
  t.match(await contentAt('2026-01-02T12:00:00Z'), { revision: 1 })
  t.match(await contentAt('2026-01-03T01:00:00+01:00'), { revision: 1 })
  t.match(await contentAt('2026-01-03T01:00:01+01:00'), { revision: 2 })
  t.match(await contentAt('2026-01-04'), { revision: 2 })
  t.match(await contentAt('2126-01-01T00:00:00.123Z'), { revision: 4 })
})

test('a malformed or future moment is refused', async (t) => {
  for (const moment of ['yesterday', '-1', '2026-13-01', '2026-02-31', '2026-02-31T00:00:00Z', '1.5', ''])
    t.match(
      await callApi(started, 'GET', `/api/v1/views/prod/content?at=${moment}`),
      { status: 400, differences: '', body: { errors: [{ pointer: '/at' }] } },
      moment,
    )
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/content?at=5'), { status: 404, differences: '' })
})

test('all pages of a content refer to the revision of the first', async (t) => {
  await makeView(started, 'busy', 'promoted')
  await move(
    started,
    'promote',
    'busy',
    names.map((name) => row(ident(name, '1.0.0'))),
  )
  const found: string[] = []
  let url: unknown = '/api/v1/views/busy/content?limit=2'
  while (typeof url === 'string') {
    const { body, differences } = await callApi(started, 'GET', url)
    t.equal(differences, '')
    t.match(body, { revision: 1 })
    found.push(...idents(body, 'pointers'))
    url = body?.['next']
    await move(started, 'demote', 'busy', [row(ident(names[found.length - 1] ?? '', '1.0.0'))])
  }
  t.strictSame(
    found,
    names.map((name) => ident(name, '1.0.0')),
  )
})

test('content and members can be restricted to an origin, a package, or a name in every origin', async (t) => {
  t.strictSame(await membersOf('origin=umbrella'), ['umbrella/app/1.0.0/20260101000000'])
  t.equal((await membersOf('origin=acme&name=app')).length, 3)
  t.equal((await membersOf('name=app')).length, 4)
  t.equal((await membersOf('origin=acm')).length, 0)
})

test('members are all releases in the view, in the order of publication within a package', async (t) => {
  const { body, differences } = await callApi(started, 'GET', '/api/v1/views/prod/members?at=4')
  t.equal(differences, '')
  t.strictSame(idents(body, 'members'), [
    ident('app', '1.0.0'),
    ident('app', '2.0.0'),
    ident('app', '3.0.0'),
    ident('lib0', '1.0.0'),
  ])
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/members?limit=1'), {
    body: { next: /at=4&cursor=/ },
    headers: { link: /rel="next"/ },
  })
})

test('a cursor with other filters is refused', async (t) => {
  const { body } = await callApi(started, 'GET', '/api/v1/views/prod/members?limit=1')
  t.match(await callApi(started, 'GET', `${String(body?.['next'])}&origin=acme`), {
    status: 400,
    body: { errors: [{ pointer: '/cursor' }] },
  })
  t.match(await callApi(started, 'GET', String(body?.['next']).replace('/members', '/content')), {
    status: 400,
    body: { errors: [{ pointer: '/cursor' }] },
  })
})

test('content as text has columns below the revision', async (t) => {
  const { text } = await callApi(started, 'GET', '/api/v1/views/prod/content?at=2&format=text')
  t.equal(
    text,
    `prod at revision 2, made 2026-01-03T00:00:00Z

PACKAGE   VERSION  RELEASE         TARGET        SINCE  AT                    MARKS
acme/app  2.0.0    20260101000000  x86_64-linux  2      2026-01-03T00:00:00Z  -
acme/web  1.0.0    20260101000000  x86_64-linux  1      2026-01-02T00:00:00Z  -
`,
  )
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/members?at=2&format=text'), {
    text: /^prod at revision 2.*\n\nPACKAGE .*\nacme\/app +1\.0\.0/,
  })
})

test('history lists revisions, newest first, with author, reason and moves', async (t) => {
  const { status, body, differences } = await callApi(started, 'GET', '/api/v1/views/prod/history')
  t.equal(status, 200)
  t.equal(differences, '')
  t.match(body, {
    view: 'prod',
    next: null,
    revisions: [
      {
        revision: 4,
        at: '2026-01-05T00:00:00.001Z',
        act: 'promote',
        actor: null,
        client: 'tests',
        reason: 'with the secret app 3',
        joined: [{ ident: ident('app', '3.0.0') }, { ident: ident('lib0', '1.0.0') }],
      },
      {
        revision: 3,
        act: 'demote',
        left: [{ ident: ident('web', '1.0.0') }],
        pointers: [{ package: 'acme/web', from: ident('web', '1.0.0'), to: null }],
      },
      { revision: 2, pointers: [{ from: ident('app', '1.0.0'), to: ident('app', '2.0.0') }] },
      { revision: 1, reason: 'first light' },
    ],
  })
})

test('history has pages, and single revisions can be read', async (t) => {
  const first = await callApi(started, 'GET', '/api/v1/views/prod/history?limit=3')
  t.match(first.body, { revisions: [{ revision: 4 }, { revision: 3 }, { revision: 2 }] })
  t.match(await callApi(started, 'GET', String(first.body?.['next'])), {
    differences: '',
    body: { next: null, revisions: [{ revision: 1 }] },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/revisions/2'), {
    status: 200,
    differences: '',
    body: { revision: 2, act: 'promote' },
  })
  for (const number of ['two', '1e0', '-1'])
    t.match(
      await callApi(started, 'GET', `/api/v1/views/prod/revisions/${number}`),
      { status: 400, differences: '', body: { errors: [{ pointer: '/revision' }] } },
      number,
    )
  for (const number of ['0', '5'])
    t.match(
      await callApi(started, 'GET', `/api/v1/views/prod/revisions/${number}`),
      { status: 404, differences: '' },
      number,
    )
})

test('history as text has a line for each move', async (t) => {
  const { text } = await callApi(started, 'GET', '/api/v1/views/prod/history?format=text')
  t.equal(
    text,
    `REVISION  AT                    ACT      BY  PACKAGE    FROM                  TO                    TARGET        REASON
4         2026-01-05T00:00:00Z  promote  -   acme/app   2.0.0/20260101000000  3.0.0/20260101000000  x86_64-linux  with the secret app 3
4         2026-01-05T00:00:00Z  promote  -   acme/lib0  -                     1.0.0/20260101000000  x86_64-linux  with the secret app 3
3         2026-01-04T00:00:00Z  demote   -   acme/web   1.0.0/20260101000000  -                     x86_64-linux  -
2         2026-01-03T00:00:00Z  promote  -   acme/app   1.0.0/20260101000000  2.0.0/20260101000000  x86_64-linux  -
1         2026-01-02T00:00:00Z  promote  -   acme/app   -                     1.0.0/20260101000000  x86_64-linux  first light
1         2026-01-02T00:00:00Z  promote  -   acme/web   -                     1.0.0/20260101000000  x86_64-linux  first light
`,
  )
})

test('reasons and clients cannot control a terminal', async (t) => {
  await makeView(started, 'odd', 'promoted')
  await move(started, 'promote', 'odd', [row(ident('app', '1.0.0'))], { reason: 'one\ntwo\u001B[2J\u009B' })
  t.match(
    (await callApi(started, 'GET', '/api/v1/views/odd/history?format=text')).text,
    /one\?two\?\[2J\?\n$/,
  )
})

test('history shows no trace of a private release to others except revision numbers', async (t) => {
  for (const url of [
    'content',
    'members',
    'history',
    'revisions/4',
    'content?at=4',
    'content?name=secret',
    '',
    'latest/acme/app',
  ]) {
    const anonymous = await callApi(started, 'GET', `/api/v1/views/prod/${url}`.replace(/\/$/, ''), {
      token: null,
    })
    t.equal(anonymous.differences, '')
    t.notMatch(anonymous.text, /3\.0\.0|secret/, url)
  }
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/history', { token: null }), {
    body: {
      revisions: [
        { revision: 4, reason: null, joined: [{ ident: ident('lib0', '1.0.0') }] },
        { revision: 3 },
        {},
        {},
      ],
    },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod', { token: null }), {
    body: { revision: 4, packages: 1 },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod', { token: friend }), {
    body: { revision: 4, packages: 2 },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/history', { token: friend }), {
    body: {
      revisions: [{ joined: [{ ident: ident('app', '3.0.0') }, {}], reason: 'with the secret app 3' }],
    },
  })
})

test('latest matches the content, with a tag that changes when it moves', async (t) => {
  const { status, body, headers, differences } = await callApi(
    started,
    'GET',
    '/api/v1/views/busy/latest/acme/lib6',
  )
  t.match({ status, differences }, { status: 404, differences: '' })
  t.match(body, { code: 'not_found' })
  t.equal(headers['etag'], undefined)

  const found = await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/lib0', { token: null })
  t.match(found, {
    status: 200,
    differences: '',
    body: {
      view: 'prod',
      package: 'acme/lib0',
      target: 'x86_64-linux',
      ident: ident('lib0', '1.0.0'),
      checksum: /^[0-9a-f]{64}$/,
      revision: 4,
    },
  })
  const headersOf = { 'if-none-match': String(found.headers['etag']) }
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/lib0', { headers: headersOf }), {
    status: 304,
    text: '',
  })
  await move(started, 'demote', 'prod', [row(ident('lib0', '1.0.0'))])
  await move(started, 'promote', 'prod', [row(ident('lib0', '1.0.0'))])
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/lib0', { headers: headersOf }), {
    status: 200,
    body: { revision: 6 },
  })
})

// An absent revision would reveal that there is something higher.
test('under highest, latest and content agree for callers who do not see a higher release', async (t) => {
  await makeView(started, 'train', 'highest')
  for (const version of ['1.0.0', '3.0.0', '2.0.0'])
    await move(started, 'promote', 'train', [row(ident('app', version))])
  const { body } = await callApi(started, 'GET', '/api/v1/views/train/content', { token: null })
  t.match(body, { pointers: [{ ident: ident('app', '2.0.0'), since_revision: 3 }] })
  t.match(await callApi(started, 'GET', '/api/v1/views/train/latest/acme/app', { token: null }), {
    body: { ident: ident('app', '2.0.0'), revision: 3 },
  })
  t.match(await callApi(started, 'GET', '/v1/depot/views/train/pkgs/acme/app/latest', { token: null }), {
    headers: { 'depot-revision': '3' },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/train/latest/acme/app', { token: friend }), {
    body: { ident: ident('app', '3.0.0'), revision: 2 },
  })
})

test('under highest, nothing reveals that a private higher release left', async (t) => {
  await makeView(started, 'tracks', 'highest')
  for (const version of ['1.0.0', '3.0.0'])
    await move(started, 'promote', 'tracks', [row(ident('app', version))])
  await move(started, 'demote', 'tracks', [row(ident('app', '3.0.0'))])
  for (const [token, revision] of [
    [null, 1],
    [friend, 3],
  ] as const) {
    t.match(await callApi(started, 'GET', '/api/v1/views/tracks/content', { token }), {
      body: { pointers: [{ ident: ident('app', '1.0.0'), since_revision: revision }] },
    })
  }
  t.match(await callApi(started, 'GET', '/api/v1/views/tracks/latest/acme/app', { token: null }), {
    body: { ident: ident('app', '1.0.0'), revision: 1 },
  })
})

test('latest of a version, of another target, and as text', async (t) => {
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/app/1.0.0'), {
    status: 200,
    differences: '',
    body: { ident: ident('app', '1.0.0'), revision: null },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/app?target=x86_64-windows'), {
    status: 404,
    differences: '',
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/app?target=pdp-11'), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/target' }] },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/prod/latest/acme/lib0?format=text'), {
    text: /^IDENT +TARGET +REVISION\nacme\/lib0\/\S+ +x86_64-linux +\d+\n$/,
  })
})

test('a view that does not exist has no content and no history', async (t) => {
  for (const url of ['content', 'members', 'history', 'revisions/1', 'latest/acme/app'])
    t.match(
      await callApi(started, 'GET', `/api/v1/views/nowhere/${url}`),
      { status: 404, differences: '' },
      url,
    )
})

test('the history of a closed view can be read', async (t) => {
  const actor = { client: 'tests', door: 'cli' } as const
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'gone', ownerId: 1 },
    actor,
  })
  await move(started, 'promote', 'gone', [row(ident('web', '1.0.0'))])
  await started.depot.writer.submit({ kind: 'removeChannel', input: { origin: 'acme', name: 'gone' }, actor })
  t.match(await callApi(started, 'GET', '/api/v1/views/gone'), {
    status: 200,
    body: { revision: 2, closed_at: /Z$/ },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/gone/content?at=1'), {
    body: { pointers: [{ ident: ident('web', '1.0.0') }] },
  })
  t.match(await callApi(started, 'GET', '/api/v1/views/gone/history'), {
    body: { revisions: [{ cause: 'channel-removed' }, { revision: 1 }] },
  })
})
