import tap, { test } from 'tap'
import { faultsOf } from '../../../support/storage/retention.ts'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// PUT of a view sets its rule and the origins that it does not govern.

const STAMP = '20260101000000'
const started = await startDepot(tap)
const [one, two, three] = (await makeReleases(
  started,
  ...['app/1', 'app/2', 'app/3'].map((name) => `acme/${name}/${STAMP}`),
)) as [ReleaseRow, ReleaseRow, ReleaseRow]
const [small] = (await makeReleases(started, `core/small/1/${STAMP}`)) as [ReleaseRow]
await move(started, 'promote', 'base', [small])

let count = 0
async function viewWith(rule: 'promoted' | 'highest', ...releases: readonly ReleaseRow[]): Promise<string> {
  const name = `view-${(count += 1)}`
  await makeView(started, name, rule)
  for (const release of releases) await move(started, 'promote', name, [release])
  return name
}

const put = (view: string, body: unknown, token?: string) =>
  callApi(started, 'PUT', `/api/v1/views/${view}`, { body, ...(token !== undefined && { token }) })
const latest = async (view: string, at = '') => {
  const { body } = await callApi(started, 'GET', `/api/v1/views/${view}/content${at}`)
  const { pointers } = body as unknown as { pointers: { ident: string }[] }
  return pointers.map(({ ident }) => ident)
}
const poll = async (view: string, rest: string) =>
  (
    await started.app.inject({
      url: `/v1/depot/views/${view}/depot/channels/${rest}`,
      headers: { 'user-agent': 'hab/2.1.78 (x86_64-linux; 6.1)' },
    })
  ).statusCode

test('a new rule makes one revision, which records the new latest', async (t) => {
  const view = await viewWith('highest', two, three, one)
  const made = await put(view, { rule: 'promoted', reason: 'we want to undo' })
  t.match(made, {
    status: 200,
    differences: '',
    headers: { etag: /^"4-/ },
    body: {
      view: { name: view, rule: 'promoted', revision: 4 },
      change: {
        revision: 4,
        changed: true,
        rule: 'promoted',
        pointers: [{ package: 'acme/app', from: three.ident, to: one.ident }],
        notes: { length: 1 },
      },
    },
  })
  t.strictSame(await latest(view), [one.ident])
  t.strictSame(await latest(view, '?at=3'), [three.ident], 'the past stays')
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/4`), {
    differences: '',
    body: {
      act: 'set-rule',
      rule: 'promoted',
      reason: 'we want to undo',
      joined: [{ ident: one.ident }],
      left: [],
    },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/history?format=text`), {
    text: /set-rule promoted/,
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/diff?at=3`), {
    body: { differences: [{ from: three.ident, to: one.ident, change: 'downgraded' }] },
  })
  t.match(
    await put(view, { rule: 'promoted' }),
    { status: 200, differences: '', body: { view: { revision: 4 }, change: null } },
    'the rule that it has makes no revision',
  )
})

test('a new rule that moves nothing makes a revision too', async (t) => {
  const view = await viewWith('highest', one, two)
  t.match(await put(view, { rule: 'promoted' }), {
    body: { change: { revision: 3, changed: true, releases: { length: 0 }, pointers: { length: 0 } } },
  })
  const empty = await viewWith('promoted')
  t.match(await put(empty, { rule: 'highest' }), {
    body: { view: { rule: 'highest' }, change: { revision: 1, changed: true } },
  })
})

test('a plan shows the effect of a new rule, and applying it has that effect', async (t) => {
  const view = await viewWith('promoted', three, one)
  const planned = await callApi(started, 'POST', `/api/v1/views/${view}/plans`, {
    body: { act: 'set-rule', rule: 'highest' },
  })
  t.match(planned, {
    status: 201,
    differences: '',
    body: {
      act: 'set-rule',
      rule: 'highest',
      pointers: [{ from: one.ident, to: three.ident }],
      releases: [{ change: 'moved' }],
    },
  })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${String(planned.body?.['plan'])}?format=text`), {
    text: /set-rule highest/,
  })
  t.strictSame(await latest(view), [one.ident])
  t.match(
    await callApi(started, 'POST', `/api/v1/views/${view}/previews`, {
      body: { name: `${view}.tomorrow`, plan: planned.body?.['plan'] },
    }),
    { status: 201 },
  )
  t.strictSame(await latest(`${view}.tomorrow`), [three.ident])
  t.match(await callApi(started, 'POST', `/api/v1/plans/${String(planned.body?.['plan'])}/apply`), {
    status: 200,
    differences: '',
    body: { revision: 3, changed: true, rule: 'highest' },
  })
  t.strictSame(await latest(view), [three.ident])
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), {
    differences: '',
    body: { rule: 'highest' },
  })
  for (const body of [
    { act: 'set-rule' },
    { act: 'set-rule', rule: 'lowest' },
    { act: 'rollback', to: 1, rule: 'highest' },
  ]) {
    t.match(await callApi(started, 'POST', `/api/v1/views/${view}/plans`, { body }), {
      status: 400,
      differences: '',
      body: { errors: [{ pointer: '/rule' }] },
    })
  }
})

test('a rollback over a change of the rule restores latest and keeps the rule', async (t) => {
  const view = await viewWith('highest', two, three, one)
  await put(view, { rule: 'promoted' })
  t.match(await callApi(started, 'POST', `/api/v1/views/${view}/rollbacks`, { body: { to: 3 } }), {
    status: 200,
    body: { pointers: [{ from: one.ident, to: three.ident }] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), { body: { rule: 'promoted', revision: 5 } })
  t.match(await callApi(started, 'POST', `/api/v1/views/${view}/reverts`, { body: { revision: 4 } }), {
    status: 409,
    differences: '',
    body: {
      code: 'refused',
      detail: mentions('revision 4', view, 'promoted'),
    },
  })
  const back = await viewWith('promoted', three, one)
  await put(back, { rule: 'highest' })
  t.match(await callApi(started, 'POST', `/api/v1/views/${back}/rollbacks`, { body: { to: 2 } }), {
    status: 409,
    body: { code: 'conflict', errors: [{ rule: 'conflict', detail: mentions('highest', 'acme/app/3') }] },
  })
})

test('the gates of a view apply to changes of its rule', async (t) => {
  const view = await viewWith('highest', three, one)
  await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, {
    body: { downgrade: 'refuse', requires: [{ view: 'union' }] },
  })
  t.match(await put(view, { rule: 'promoted' }), {
    status: 409,
    differences: '',
    body: { code: 'refused', errors: [{ rule: 'downgrade' }] },
  })
  t.match(await put(view, { rule: 'promoted', expect_revision: 1 }), { status: 412 })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), { body: { rule: 'highest', revision: 2 } })
  t.match(await put(view, { rule: 'promoted', override: { reason: 'it must' } }), {
    status: 200,
    body: { change: { overridden: [mentions('acme/app')] } },
  })
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'fair' } })
  t.match(await put(view, { rule: 'highest' }), { status: 409, body: { errors: [{ rule: 'freeze' }] } })
  const empty = await viewWith('promoted')
  for (const body of [{ reason: 'fair', origin: 'core' }, { reason: 'fair' }]) {
    await callApi(started, 'PUT', `/api/v1/views/${empty}/freeze`, { body })
    t.match(
      await put(empty, { rule: 'highest' }),
      { status: 409, body: { errors: [{ rule: 'freeze' }] } },
      'a rule is about every package',
    )
  }
})

test('only administrators of the depot can set a rule, by any route', async (t) => {
  const view = await viewWith('highest', two, one)
  const maintainer = await started.account('maintainer')
  await callApi(started, 'PUT', '/api/v1/origins/acme/members/maintainer', { body: { role: 'maintainer' } })
  t.match(await put(view, { rule: 'promoted' }, maintainer), { status: 403, differences: '' })
  t.match(await put(view, { ungoverned: [] }, maintainer), { status: 403 })
  for (const kind of ['plans', 'proposals']) {
    t.match(
      await callApi(started, 'POST', `/api/v1/views/${view}/${kind}`, {
        token: maintainer,
        body: { act: 'set-rule', rule: 'promoted' },
      }),
      { status: 403, body: { code: 'forbidden' } },
      kind,
    )
  }
  const { body } = await callApi(started, 'POST', `/api/v1/views/${view}/plans`, {
    body: { act: 'set-rule', rule: 'promoted' },
  })
  t.match(
    await callApi(started, 'POST', `/api/v1/plans/${String(body?.['plan'])}/apply`, { token: maintainer }),
    { status: 403 },
  )
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), { body: { rule: 'highest', revision: 2 } })
})

test('unstable keeps its rule, and previews have the rule of their view', async (t) => {
  t.match(await put('unstable', { rule: 'promoted' }), {
    status: 409,
    differences: '',
    body: { code: 'refused' },
  })
  t.match(await put('nothing', { rule: 'promoted' }), { status: 404, differences: '' })
  for (const body of [
    {},
    { rule: 'lowest' },
    { ungoverned: ['No Origin'] },
    { ungoverned: Array.from({ length: 101 }, (_, index) => `o${index}`) },
  ])
    t.match(await put('union', body), { status: 400, differences: '' })
})

test('the ungoverned origins can be read and set, and apply at once, also in previews', async (t) => {
  const view = await viewWith('promoted', one)
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), {
    differences: '',
    body: { ungoverned: ['core', 'chef'] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}?format=text`), {
    text: /UNGOVERNED[^]*core, chef/,
  })
  const plan = (
    await callApi(started, 'POST', `/api/v1/views/${view}/plans`, {
      body: { releases: [{ ident: two.ident }] },
    })
  ).body?.['plan']
  await callApi(started, 'POST', `/api/v1/views/${view}/previews`, { body: { name: `${view}.early`, plan } })
  t.equal(await poll(view, 'core/base/pkgs/small/latest'), 200)
  t.match(await put(view, { ungoverned: ['chef', 'chef'] }), {
    status: 200,
    differences: '',
    body: { view: { ungoverned: ['chef'], revision: 1 }, change: null },
  })
  await callApi(started, 'POST', `/api/v1/views/${view}/previews`, { body: { name: `${view}.late`, plan } })
  for (const name of [view, `${view}.early`, `${view}.late`]) {
    t.equal(await poll(name, 'core/base/pkgs/small/latest'), 404, name)
    t.match(await callApi(started, 'GET', `/api/v1/views/${name}`), { body: { ungoverned: ['chef'] } }, name)
  }
  t.match(await put(`${view}.late`, { ungoverned: [] }), { status: 409 })
  t.equal(await poll(view, 'acme/base/pkgs/app/latest'), 200)
  t.match(await put(view, { ungoverned: ['acme', 'core'] }), {
    body: { view: { ungoverned: ['acme', 'core'] } },
  })
  t.equal(await poll(view, 'core/base/pkgs/small/latest'), 200)
  t.equal(await poll(view, 'acme/base/pkgs/app/latest'), 200, 'the view still answers for its members')
})

test('callers who do not see everything are shown a change of the rule as it affects them', async (t) => {
  const [shown, secret] = (await makeReleases(started, `acme/web/1/${STAMP}`, `acme/web/2/${STAMP}`)) as [
    ReleaseRow,
    ReleaseRow,
  ]
  await setVisibility(started, secret.ident, 'private')
  const view = await viewWith('promoted', shown, secret)
  await put(view, { rule: 'highest' })
  const seen = async (path: string) =>
    callApi(started, 'GET', `/api/v1/views/${view}/${path}`, { token: null })
  t.match(await seen('revisions/3'), {
    differences: '',
    body: {
      act: 'set-rule',
      rule: 'highest',
      joined: { length: 0 },
      pointers: [{ from: null, to: shown.ident }],
    },
  })
  t.match(await seen('content'), { body: { pointers: [{ ident: shown.ident, since_revision: 3 }] } })
  t.match(await seen('content?at=2'), { body: { pointers: { length: 0 } } })
  t.match(await seen('pointers/acme/web'), {
    body: {
      holders: [
        { ident: shown.ident, from_revision: 3, to_revision: null },
        { ident: shown.ident, from_revision: 1, to_revision: 2 },
      ],
    },
  })
  t.match(await seen('diff?at=2'), {
    body: { differences: [{ package: 'acme/web', from: null, to: shown.ident }] },
  })
})

test('repeating a request with its Idempotency-Key repeats its answer', async (t) => {
  const view = await viewWith('highest', two, one)
  const send = (body: object) =>
    callApi(started, 'PUT', `/api/v1/views/${view}`, { body, headers: { 'idempotency-key': 'set-1' } })
  const body = { rule: 'promoted', ungoverned: ['core', 'acme'], expect_revision: 2 }
  const first = await send(body)
  t.match(first, { status: 200, body: { change: { revision: 3, changed: true, rule: 'promoted' } } })
  await move(started, 'promote', view, [three])
  const again = await send(body)
  t.equal(again.status, 200)
  t.strictSame(again.body, first.body)
  t.match(await send({ rule: 'highest' }), { status: 422, body: { code: 'idempotency_mismatch' } })
})

test('the history shows other readers the moves of latest before and after a view was opened again', async (t) => {
  const [hidden] = await makeReleases(started, `acme/app/9.0/${STAMP}`)
  await setVisibility(started, `acme/app/9.0/${STAMP}`, 'private')
  const view = await viewWith('highest', hidden as ReleaseRow, two)
  const url = `/api/v1/views/${view}`
  await put(view, { rule: 'promoted' })
  await callApi(started, 'POST', `${url}/rollbacks`, { body: { to: 0 } })
  t.match(await callApi(started, 'DELETE', url), { status: 204 })
  await makeView(started, view, 'highest')
  await move(started, 'promote', view, [one])
  const { body } = await callApi(started, 'GET', `${url}/history`, { token: null })
  const revisions = body?.['revisions'] as { revision: number; pointers: { from: unknown; to: unknown }[] }[]
  const [last, emptied] = revisions
  t.match(last, { revision: 5, pointers: [{ from: null, to: one.ident }] })
  t.match(emptied, { revision: 4, pointers: [{ from: two.ident, to: null }] })
})

test('a view that was opened again under another rule keeps the history of the old rule', async (t) => {
  const actor = { client: 'tests', door: 'cli' } as const
  const { writer } = started.depot
  const view = 'phoenix'
  await writer.submit({ kind: 'declareChannel', input: { origin: 'acme', name: view, ownerId: 1 }, actor })
  for (const release of [three, one]) await move(started, 'promote', view, [release])
  await writer.submit({ kind: 'removeChannel', input: { origin: 'acme', name: view }, actor })
  await makeView(started, view, 'promoted')
  await move(started, 'promote', view, [two])
  const back = await callApi(started, 'POST', `/api/v1/views/${view}/rollbacks`, { body: { to: 2 } })
  t.match(back, { status: 200, body: { revision: 5 } })
  t.strictSame(await latest(view), [three.ident], 'the highest release at that time')
  t.match(await callApi(started, 'POST', `/api/v1/views/${view}/reverts`, { body: { revision: 5 } }), {
    status: 200,
  })
  t.strictSame(await latest(view), [two.ident])
  t.strictSame(await faultsOf(started), [])
})
