import { createHash } from 'node:crypto'
import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

const ident = (name: string, version: string) => `acme/${name}/${version}/20260101000000`
/** The names of `makeReleases`. */
const checksum = (name: string, version: string) => sum(ident(name, version))
const sum = (bytes: string) => createHash('sha256').update(bytes).digest('hex')
const row = (text: string) => ({ ident: text, target: 'x86_64-linux' }) as const

const started = await startDepot(tap)
await makeReleases(
  started,
  ...['1.0.0', '2.0.0', '3.0.0'].map((version) => ident('app', version)),
  ident('web', '1.0.0'),
  ident('secret', '1.0.0'),
)
await makeReleases(started, `${ident('app', '1.0.0')} for x86_64-windows`)
await setVisibility(started, ident('app', '3.0.0'), 'private')
await setVisibility(started, ident('secret', '1.0.0'), 'private')

// Two views with a history of one revision each day.
const day = (number: number) => started.setClock(START + number * 86_400_000)
for (const [name, rule] of [
  ['prod', 'promoted'],
  ['train', 'highest'],
] as const)
  await makeView(started, name, rule)
const steps = [
  ['promote', [row(ident('app', '1.0.0')), row(ident('web', '1.0.0'))]],
  ['promote', [row(ident('app', '3.0.0'))]],
  ['promote', [row(ident('app', '2.0.0')), row(ident('secret', '1.0.0'))]],
  ['demote', [row(ident('web', '1.0.0'))]],
] as const
for (const [index, [act, releases]] of steps.entries()) {
  for (const view of ['prod', 'train']) {
    day(index + 1)
    await move(started, act, view, releases)
  }
}

const get = (url: string, token?: null) =>
  callApi(started, 'GET', `/api/v1${url}`, token === null ? { token } : {})

test('diff shows the changes since a revision or a time', async (t) => {
  const { status, body, differences, headers } = await get('/views/prod/diff?at=1')
  t.match({ status, differences, headers }, { status: 200, differences: '', headers: { link: undefined } })
  t.strictSame(body, {
    from: { view: 'prod', revision: 1, at: '2026-01-02T00:00:00.001Z' },
    to: { view: 'prod', revision: 4, at: '2026-01-05T00:00:00.001Z' },
    differences: [
      {
        package: 'acme/app',
        target: 'x86_64-linux',
        from: ident('app', '1.0.0'),
        to: ident('app', '2.0.0'),
        from_checksum: checksum('app', '1.0.0'),
        to_checksum: checksum('app', '2.0.0'),
        change: 'moved',
      },
      {
        package: 'acme/secret',
        target: 'x86_64-linux',
        from: null,
        to: ident('secret', '1.0.0'),
        from_checksum: null,
        to_checksum: checksum('secret', '1.0.0'),
        change: 'added',
      },
      {
        package: 'acme/web',
        target: 'x86_64-linux',
        from: ident('web', '1.0.0'),
        to: null,
        from_checksum: checksum('web', '1.0.0'),
        to_checksum: null,
        change: 'removed',
      },
    ],
    next: null,
  })
  t.strictSame((await get('/views/prod/diff?at=2026-01-02T12:00:00Z')).body, body)
  t.match((await get('/views/prod/diff?at=2&with_at=2026-01-04T12:00:00Z&name=app')).body, {
    to: { revision: 3 },
    differences: [{ from: ident('app', '3.0.0'), change: 'downgraded' }],
  })
  t.match(
    (await get('/views/prod/diff')).body,
    { from: { revision: 4 }, to: { revision: 4 }, differences: [] },
    'nothing differs from itself',
  )
  t.match((await get('/views/prod/diff?at=0&with_at=0')).body, {
    from: { revision: 0, at: null },
    differences: [],
  })
})

test('diff shows what promoting all of another view would change', async (t) => {
  t.match((await get('/views/prod/diff?with=train')).body, {
    from: { view: 'prod', revision: 4 },
    to: { view: 'train', revision: 4 },
    differences: [
      { package: 'acme/app', from: ident('app', '2.0.0'), to: ident('app', '3.0.0'), change: 'moved' },
    ],
  })
  t.match((await get('/views/delivered/diff?with=prod&with_at=1&origin=acme')).body, {
    from: { revision: 0, at: null },
    differences: [{ change: 'added' }, { change: 'added', to: ident('web', '1.0.0') }],
  })
})

test('all pages of a diff refer to the revisions of the first', async (t) => {
  const first = await get('/views/prod/diff?at=1&limit=1&with=train')
  t.match(first, {
    differences: '',
    body: { differences: [{ package: 'acme/app' }], next: /at=1&.*with_at=4/ },
    headers: { link: /rel="next"/ },
  })
  await move(started, 'demote', 'train', [row(ident('secret', '1.0.0'))])
  const second = await get(String(first.body?.['next']).slice('/api/v1'.length))
  t.match(second, {
    differences: '',
    body: { to: { revision: 4 }, differences: [{ package: 'acme/secret', change: 'added' }] },
  })
  t.match(await get(String(second.body?.['next']).slice('/api/v1'.length)), {
    body: { differences: [{ package: 'acme/web', change: 'removed' }], next: null },
  })
  await move(started, 'promote', 'train', [row(ident('secret', '1.0.0'))])
  t.match(await get(`${String(first.body?.['next']).slice('/api/v1'.length)}&origin=acme`), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/cursor' }] },
  })
})

test('diff as text has a line for each difference below the compared revisions', async (t) => {
  t.equal(
    (await get('/views/prod/diff?at=2&format=text')).text,
    `from prod at revision 2, made 2026-01-03T00:00:00Z
to   prod at revision 4, made 2026-01-05T00:00:00Z

PACKAGE      FROM                  TO                    TARGET        CHANGE
acme/app     3.0.0/20260101000000  2.0.0/20260101000000  x86_64-linux  downgraded
acme/secret  -                     1.0.0/20260101000000  x86_64-linux  added
acme/web     1.0.0/20260101000000  -                     x86_64-linux  removed
`,
  )
})

test('diff reports an ident republished with other bytes, and ignores equal bytes', async (t) => {
  const other = await startDepot(t)
  const [app, same] = [ident('app', '1.0.0'), ident('same', '1.0.0')]
  await makeReleases(other, app, same)
  for (const [name, rule] of [
    ['prod', 'promoted'],
    ['train', 'highest'],
  ] as const)
    await makeView(other, name, rule)
  const everywhere = async (act: 'promote' | 'demote') => {
    for (const view of ['prod', 'train']) await move(other, act, view, [row(app), row(same)])
  }
  await everywhere('promote')
  await everywhere('demote')
  for (const one of [app, same])
    await other.depot.writer.submit({
      kind: 'deleteRelease',
      input: row(one),
      actor: { client: 'tests', door: 'cli' },
    })
  await makeReleases(other, { name: app, deps: [], bytes: 'other bytes' }, same)
  await everywhere('promote')
  const republished = {
    package: 'acme/app',
    target: 'x86_64-linux',
    from: app,
    to: app,
    from_checksum: sum(app),
    to_checksum: sum('other bytes'),
    change: 'republished',
  }
  for (const query of [
    '/views/prod/diff?at=1',
    '/views/train/diff?at=1',
    '/views/prod/diff?at=1&with=train',
    '/views/train/diff?at=1&with=prod',
  ]) {
    t.match(
      await callApi(other, 'GET', `/api/v1${query}`),
      { status: 200, differences: '', body: { differences: { length: 1, 0: republished } } },
      query,
    )
  }
  t.match(
    (await callApi(other, 'GET', '/api/v1/views/prod/diff?at=1&format=text')).text,
    `  republished: ${sum(app).slice(0, 12)} became ${sum('other bytes').slice(0, 12)}\n`,
  )
})

test('a diff with malformed parameters is refused', async (t) => {
  for (const [query, pointer] of [
    ['at=soon', '/at'],
    ['with_at=-1', '/with_at'],
    ['with_at=', '/with_at'],
    ['limit=0', '/limit'],
    ['limit=1001', '/limit'],
    ['cursor=x', '/cursor'],
  ] as const) {
    t.match(
      await get(`/views/prod/diff?${query}`),
      { status: 400, differences: '', body: { errors: [{ pointer }] } },
      query,
    )
  }
  t.match(await get('/views/prod/diff?colour=red'), { status: 400, differences: '' })
  for (const url of [
    '/views/nowhere/diff',
    '/views/prod/diff?with=nowhere',
    '/views/prod/diff?at=99',
    '/views/prod/diff?with_at=99',
    '/views/prod/diff?with=prod@1',
  ]) {
    t.match(await get(url), { status: 404, differences: '', body: { code: 'not_found' } }, url)
  }
})

test('the holders of a pointer are listed, newest first', async (t) => {
  const { status, body, differences } = await get('/views/prod/pointers/acme/app')
  t.match({ status, differences }, { status: 200, differences: '' })
  t.strictSame(body, {
    view: 'prod',
    package: 'acme/app',
    target: 'x86_64-linux',
    holders: [
      {
        ident: ident('app', '2.0.0'),
        from_revision: 3,
        since: '2026-01-04T00:00:00.001Z',
        to_revision: null,
        until: null,
      },
      {
        ident: ident('app', '3.0.0'),
        from_revision: 2,
        since: '2026-01-03T00:00:00.001Z',
        to_revision: 3,
        until: '2026-01-04T00:00:00.001Z',
      },
      {
        ident: ident('app', '1.0.0'),
        from_revision: 1,
        since: '2026-01-02T00:00:00.001Z',
        to_revision: 2,
        until: '2026-01-03T00:00:00.001Z',
      },
    ],
    next: null,
  })
  const page = await get('/views/prod/pointers/acme/app?limit=2')
  t.match(await get(String(page.body?.['next']).slice('/api/v1'.length)), {
    differences: '',
    body: { holders: [{ ident: ident('app', '1.0.0') }], next: null },
  })
  t.equal(
    (await get('/views/prod/pointers/acme/web?format=text')).text,
    `PACKAGE   VERSION  RELEASE         TARGET        FROM  SINCE                 TO  UNTIL
acme/web  1.0.0    20260101000000  x86_64-linux  1     2026-01-02T00:00:00Z  4   2026-01-05T00:00:00Z
`,
  )
})

test('a pointer that the view never had, or only with private holders, is not found', async (t) => {
  const nothing = (await get('/views/prod/pointers/acme/nothing', null)).body?.['detail']
  t.match(nothing, mentions('prod', 'acme/nothing', 'x86_64-linux'))
  t.match(await get('/views/prod/pointers/acme/secret', null), {
    status: 404,
    differences: '',
    body: { detail: String(nothing).replace('nothing', 'secret') },
  })
  t.match(await get('/views/train/pointers/acme/secret', null), { status: 404, differences: '' })
  t.match(await get('/views/prod/pointers/acme/app?target=x86_64-windows'), { status: 404, differences: '' })
  t.match(await get('/views/nowhere/pointers/acme/app'), { status: 404, differences: '' })
  for (const query of ['target=pdp-11', 'limit=x', 'cursor=WzEsMl0', 'at=1'])
    t.match(await get(`/views/prod/pointers/acme/app?${query}`), { status: 400, differences: '' }, query)
})

test('diffs show no trace of a private release to others', async (t) => {
  for (const url of [
    '/views/prod/diff?at=0',
    '/views/prod/diff?with=train',
    '/views/train/diff?at=1',
    '/views/prod/pointers/acme/app',
    '/views/train/pointers/acme/app',
  ]) {
    const anonymous = await get(url, null)
    t.match(anonymous, { status: 200, differences: '' }, url)
    t.notMatch(anonymous.text, /3\.0\.0|secret/, url)
  }
  t.match((await get('/views/prod/diff?at=2&with_at=3', null)).body, {
    differences: [{ from: null, to: ident('app', '2.0.0'), change: 'added' }],
  })
  t.match((await get('/views/train/diff?at=1&with_at=3', null)).body, {
    differences: [{ from: ident('app', '1.0.0'), to: ident('app', '2.0.0'), change: 'moved' }],
  })
  t.match((await get('/views/prod/pointers/acme/app', null)).body, {
    holders: [{ from_revision: 3 }, { ident: ident('app', '1.0.0'), to_revision: 2 }],
  })
  t.match((await get('/views/train/pointers/acme/app', null)).body, {
    holders: [
      { ident: ident('app', '2.0.0'), from_revision: 3 },
      { ident: ident('app', '1.0.0'), to_revision: 3 },
    ],
  })
})

test('a release lists every view it is or was in', async (t) => {
  const url = `/releases/${ident('web', '1.0.0')}/views`
  const { status, body, differences } = await get(url)
  t.match({ status, differences }, { status: 200, differences: '' })
  t.match(body, {
    ident: ident('web', '1.0.0'),
    target: 'x86_64-linux',
    views: [
      { view: 'unstable', from_revision: 4, to_revision: null, until: null },
      {
        view: 'prod',
        from_revision: 1,
        since: '2026-01-02T00:00:00.001Z',
        to_revision: 4,
        until: '2026-01-05T00:00:00.001Z',
      },
      { view: 'train', from_revision: 1, to_revision: 4 },
    ],
    next: null,
  })
  const first = await get(`${url}?limit=2`)
  t.match(await get(String(first.body?.['next']).slice('/api/v1'.length)), {
    differences: '',
    body: { views: [{ view: 'train' }], next: null },
  })
  t.match(
    (await get(`${url}?format=text`)).text,
    /^VIEW +FROM +SINCE +TO +UNTIL\nunstable +4 +\S+ +- +-\nprod +1 +2026-01-02T00:00:00Z +4 +2026-01-05T00:00:00Z\n/,
  )
  t.match((await get(`/releases/${ident('app', '1.0.0')}/views?target=x86_64-windows`)).body, {
    target: 'x86_64-windows',
    views: [{ view: 'unstable' }],
  })
})

test('the views of a release are shown to callers who see it', async (t) => {
  for (const name of ['secret', 'nothing']) {
    t.match(await get(`/releases/${ident(name, '1.0.0')}/views`, null), {
      status: 404,
      differences: '',
      body: { code: 'not_found', detail: mentions(ident(name, '1.0.0')) },
    })
  }
  t.match(await get(`/releases/${ident('secret', '1.0.0')}/views`), { status: 200 })
  t.match(await get(`/releases/${ident('web', '1.0.0')}/views?target=x86_64-windows`), {
    status: 404,
    differences: '',
  })
  t.match(await get(`/releases/${ident('web', '1.0.0')}/views?target=pdp-11`), {
    status: 400,
    differences: '',
  })
})

test('the past of a closed view can be compared', async (t) => {
  const actor = { client: 'tests', door: 'cli' } as const
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'gone', ownerId: 1 },
    actor,
  })
  await move(started, 'promote', 'gone', [row(ident('web', '1.0.0'))])
  await started.depot.writer.submit({ kind: 'removeChannel', input: { origin: 'acme', name: 'gone' }, actor })
  t.match((await get('/views/gone/diff?at=1')).body, {
    differences: [{ from: ident('web', '1.0.0'), to: null, change: 'removed' }],
  })
  t.match((await get('/views/gone/pointers/acme/web')).body, {
    holders: [{ from_revision: 1, to_revision: 2 }],
  })
  t.match((await get(`/releases/${ident('web', '1.0.0')}/views`)).body, {
    views: [{}, {}, {}, { view: 'gone', to_revision: 2 }],
  })
})
