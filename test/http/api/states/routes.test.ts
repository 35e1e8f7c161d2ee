import tap, { test } from 'tap'
import { faultsOf } from '../../../support/storage/retention.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const started = await startDepot(tap)
const [app1, app2, app3, lib, web] = (await makeReleases(
  started,
  ...['1.0', '2.0', '3.0'].map((version) => `acme/app/${version}/${STAMP}`),
  `acme/lib/1.0/${STAMP}`,
  `acme/web/1.0/${STAMP}`,
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]

interface ViewPlan {
  readonly view: string
  readonly act: string
  readonly blocked: readonly { readonly rule: string; readonly pointer: string }[]
}

async function plan(views: object, token?: string) {
  const { body = {}, ...rest } = await callApi(started, 'POST', '/api/v1/states/plan', {
    body: { views },
    ...(token !== undefined && { token }),
  })
  return { ...rest, body, id: String(body['plan']), views: (body['views'] ?? []) as ViewPlan[] }
}

async function apply(
  views: object,
  { token, key, ...more }: { token?: string; key?: string; [field: string]: unknown } = {},
) {
  return callApi(started, 'POST', '/api/v1/states', {
    body: { views, ...more },
    ...(token !== undefined && { token }),
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  })
}

async function latestOf(view: string): Promise<string[]> {
  const { body = {} } = await callApi(started, 'GET', `/api/v1/views/${view}/content`)
  return (body['pointers'] as { ident: string }[]).map(({ ident }) => ident)
}

const headOf = () => started.depot.follower.head.sequence

/** The kinds of ledger entries after a sequence number. */
async function kindsAfter(sequence: number): Promise<unknown[]> {
  const rows = await started.depot.db
    .selectFrom('ledger')
    .select('text')
    .where('sequence', '>', sequence)
    .orderBy('sequence')
    .execute()
  return rows.map(({ text }) => (JSON.parse(text) as { kind: string }).kind)
}

const requiring = (view: string) => ({ gates: { requires: [{ view }] } })

let count = 0
function freshName(): string {
  count += 1
  return `state-${count}`
}
async function freshView(...releases: readonly ReleaseRow[]): Promise<string> {
  const view = freshName()
  await makeView(started, view, 'promoted')
  if (releases.length > 0) await move(started, 'promote', view, [...releases])
  return view
}

test('a state creates views with gates and contents, in one transaction', async (t) => {
  const [first, second] = [freshName(), freshName()]
  const views = {
    [second]: {
      rule: 'highest',
      ungoverned: [],
      gates: { requires: [{ view: first }], closure: 'depot' },
      contents: [app2],
    },
    [first]: { contents: [app2.ident, lib.ident] },
  }
  const planned = await plan(views)
  t.match(planned, { status: 200, differences: '', body: { changed: true } })
  t.strictSame(
    planned.views.map(({ view, act, blocked }) => [view, act, blocked]),
    [
      [first, 'create', []],
      [second, 'create', []],
    ],
    'a required view comes first, so that its new contents count',
  )
  const head = headOf()
  t.match(await apply(views, { plan: planned.id, reason: 'as code' }), {
    status: 200,
    differences: '',
    body: { changed: true, views: [{ made_revision: /^1-/ }, { made_revision: /^1-/ }] },
  })
  t.strictSame(await kindsAfter(head), [
    'view-created',
    'view-created',
    'gates-set',
    'ungoverned-set',
    'promotion',
    'promotion',
  ])
  t.strictSame(await latestOf(first), [app2.ident, lib.ident])
  t.match(await plan(views), { body: { changed: false } })
  t.match(await apply(views), { status: 200, body: { changed: false, views: [{ made_revision: null }] } })
})

test('contents are exactly what latest answers, under both rules', async (t) => {
  for (const rule of ['promoted', 'highest']) {
    const view = await freshView(app1, app3, lib)
    if (rule === 'highest') await apply({ [view]: { rule } })
    const wanted = { [view]: { contents: [app2, web] } }
    t.match(await plan(wanted), {
      differences: '',
      body: {
        views: [{ pointers: [{ from: app3.ident, to: app2.ident }, { to: web.ident }, { from: lib.ident }] }],
      },
    })
    t.match(await apply(wanted), { status: 200, differences: '' }, rule)
    t.strictSame(await latestOf(view), [app2.ident, web.ident], rule)
    t.match(await plan(wanted), { body: { changed: false } }, rule)
    t.match(await apply({ [view]: { contents: [] } }), { status: 200 })
    t.strictSame(await latestOf(view), [])
  }
})

test('empty contents also remove members of a package whose members are all yanked', async (t) => {
  const [old] = await makeReleases(started, `acme/yanked/1.0/${STAMP}`)
  const view = await freshView(old as ReleaseRow, lib)
  const url = `/api/v1/releases/acme/yanked/1.0/${STAMP}/yank`
  t.match(await callApi(started, 'PUT', url, { body: { reason: 'broken' } }), { status: 200 })
  await apply({ [view]: { rule: 'highest' } })
  t.strictSame(await latestOf(view), [lib.ident])
  t.match(await apply({ [view]: { contents: [] } }), { status: 200, body: { changed: true } })
  t.match(await callApi(started, 'DELETE', `/api/v1/views/${view}`), { status: 204 }, 'it is empty')
})

test('a new rule and new contents make one revision', async (t) => {
  const view = await freshView(app3, app1, lib)
  const state = { [view]: { rule: 'highest', contents: [app1, lib] } }
  const { views } = await plan(state)
  t.match(views, [{ act: 'change', revision: 1, rule: { from: 'promoted', to: 'highest' } }])
  const head = headOf()
  t.match(await apply(state), { status: 200, body: { views: [{ made_revision: /^2-/ }] } })
  t.strictSame(await kindsAfter(head), ['promotion'])
  t.strictSame(await latestOf(view), [app1.ident, lib.ident], 'app 3.0 left, since it is higher')
  t.match(await apply({ [view]: { rule: 'promoted' } }), { body: { views: [{ made_revision: /^3-/ }] } })
})

test('a plan binds to what it has read', async (t) => {
  const [view, other] = [await freshView(app1), await freshView(app1)]
  const views = { [view]: { contents: [app2] }, [other]: { gates: { downgrade: 'refuse' } } }
  const { id } = await plan(views)
  await move(started, 'promote', view, [lib])
  const refused = await apply(views, { plan: id })
  t.match(refused, { status: 412, differences: '', body: { code: 'stale_plan', plan: { views: [{}, {}] } } })
  t.strictSame(await latestOf(view), [app1.ident, lib.ident], 'nothing was changed')
  const { plan: next } = (refused.body ?? {}) as { plan?: { plan: string } }
  t.match(await apply(views, { plan: next?.plan }), { status: 200 })
})

test('a refusal lists the causes of all views, and changes none', async (t) => {
  const [strict, frozen, full] = [await freshView(app2), await freshView(app1), await freshView(app1)]
  await apply({ [strict]: { gates: { downgrade: 'refuse' } } })
  await callApi(started, 'PUT', `/api/v1/views/${frozen}/freeze`, { body: { reason: 'audit' } })
  const created = freshName()
  const views = {
    [created]: {},
    [strict]: { contents: [lib, app1] },
    [frozen]: { contents: [app2] },
    [full]: { closed: true },
  }
  const blocked = [
    { rule: 'downgrade', pointer: `/views/${strict}/contents/1` },
    { rule: 'freeze', pointer: `/views/${frozen}` },
    { rule: 'conflict', pointer: `/views/${full}/closed` },
  ]
  t.match(
    (await plan(views)).views.flatMap((one) => one.blocked),
    blocked,
  )
  t.match(await apply(views), { status: 409, differences: '', body: { code: 'conflict', errors: blocked } })
  t.match(await apply(views, { override: { reason: 'drill' } }), {
    status: 409,
    body: { code: 'conflict', errors: [{ rule: 'conflict' }] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${created}`), { status: 404 })
  const { [full]: _full, ...possible } = views
  t.match(await apply(possible, { override: { reason: 'drill' } }), {
    status: 200,
    body: { overridden: [/would go down/, /audit/] },
  })
  t.strictSame(await latestOf(strict), [app1.ident, lib.ident])
})

test('mistakes are an error that lists all of them with their places', async (t) => {
  const [one, other, closing] = [freshName(), freshName(), await freshView()]
  const faults = await plan({
    [one]: { contents: [app1, app2, `acme/app/9.9/${STAMP}`], gates: { promoters: ['nobody'] } },
    [other]: { gates: { requires: [{ view: one }, { view: closing }, { view: 'nowhere' }] } },
    [closing]: { closed: true },
    unstable: { rule: 'promoted', contents: [] },
    stable: { closed: true },
  })
  t.match(faults, { status: 400, differences: '', body: { code: 'invalid_request' } })
  t.strictSame(
    (faults.body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer),
    [
      `/views/${one}/gates/promoters/0`,
      `/views/${other}/gates/requires/1/view`,
      `/views/${other}/gates/requires/2/view`,
      '/views/unstable/rule',
      '/views/unstable/contents',
      '/views/stable/closed',
    ],
  )
  t.match(await plan({ [one]: { contents: [app1, app2, `acme/app/9.9/${STAMP}`] } }), {
    status: 400,
    body: { errors: [{ pointer: `/views/${one}/contents/1` }, { pointer: `/views/${one}/contents/2` }] },
  })
  t.match(await plan({ [one]: { contents: [`acme/app/9.9/${STAMP}`] } }), { status: 404, differences: '' })
  for (const wrong of [
    { [one]: { closed: true, rule: 'promoted' } },
    { [one]: { rules: 'promoted' } },
    { '.name': {} },
  ])
    t.match(await plan(wrong), { status: 400, differences: '' })
})

test('gates may require each other in another order than before', async (t) => {
  const [one, other] = [await freshView(), await freshView()]
  t.match(await apply({ [one]: requiring(other) }), { status: 200 })
  t.match(await apply({ [other]: requiring(one) }), { status: 400 }, 'a cycle')
  t.match(await apply({ [other]: requiring(one), [one]: { gates: {} } }), { status: 200 })
  t.match(await apply({ [other]: { gates: {} }, [one]: { closed: true } }), { status: 200 })
  t.match(await plan({ [one]: { closed: true } }), { body: { changed: false } })
  t.match(await apply({ [one]: { contents: [app1] } }), {
    status: 200,
    body: { views: [{ act: 'create', made_revision: /^1-/ }] },
  })
})

test('settings need an administrator, and contents the rights of a promotion', async (t) => {
  const view = await freshView(app1)
  const [maintainer, stranger] = [await started.account('maintainer'), await started.account('stranger')]
  await callApi(started, 'PUT', '/api/v1/origins/acme/members/maintainer', { body: { role: 'maintainer' } })
  const [settings, contents] = [{ [view]: { rule: 'highest' } }, { [view]: { contents: [app2] } }]
  t.match((await plan(settings, maintainer)).views, [{ blocked: [{ rule: 'rights' }] }])
  t.match(await apply(settings, { token: maintainer }), { status: 403, differences: '' })
  t.match(await apply(contents, { token: stranger }), { status: 403 })
  t.match(await apply(contents, { token: maintainer, override: { reason: 'drill' } }), { status: 200 })
  t.match(await apply({ [view]: { contents: [app2] } }, { token: stranger }), { body: { changed: false } })
  t.match(await callApi(started, 'POST', '/api/v1/states/plan', { body: { views: {} }, token: null }), {
    status: 401,
  })
})

test('a narrowed token plans what it may read, and applies what it may change', async (t) => {
  const [view, other] = [await freshView(app1), await freshView(app1)]
  const states = [
    { [view]: { contents: [app2] } },
    { [other]: { contents: [app2] } },
    { [view]: { rule: 'highest' } },
  ]
  for (const [name, scope, statuses] of [
    ['reader', { actions: ['read'] }, [403, 403, 403]],
    ['manager', { actions: ['manage'] }, [403, 403, 403]],
    ['of-view', { views: [view] }, [200, 403, 403]],
  ] as const) {
    const token = await started.account(name, scope)
    await callApi(started, 'PUT', `/api/v1/origins/acme/members/${name}`, { body: { role: 'maintainer' } })
    t.equal((await plan(states[0] ?? {}, token)).status, name === 'manager' ? 403 : 200, name)
    const answers: number[] = []
    for (const state of states) answers.push((await apply(state, { token })).status)
    t.strictSame(answers, statuses, name)
  }
})

/** What differs between answers about views that are alike. */
const VARIABLE = /state-\d+|"plan":"\w+"|"request_id":"[^"]+"|\d{4}-\d\d-\d\dT[\d:.]+Z/g

test('nobody can tell a hidden release from an absent one', async (t) => {
  const stamp = '20260101000000'
  const [hidden, higher] = (await makeReleases(
    started,
    `acme/secret/1.0/${stamp}`,
    `acme/app/9.0/${stamp}`,
  )) as [ReleaseRow, ReleaseRow]
  for (const { ident } of [hidden, higher]) await setVisibility(started, ident, 'private')
  const [secret, plain] = [await freshView(lib, hidden, higher), await freshView(lib)]
  const guest = await started.account('guest')
  for (const desired of [
    { contents: [lib] },
    { contents: [] },
    { contents: [lib, app1] },
    { contents: [hidden] },
    { rule: 'highest', contents: [app1] },
    { rule: 'highest' },
  ]) {
    const told = JSON.stringify(desired)
    const [there, absent] = [
      await plan({ [secret]: desired }, guest),
      await plan({ [plain]: desired }, guest),
    ]
    const [shown, expected] = [there, absent].map(({ status, text }) => [
      status,
      text.replaceAll(VARIABLE, ''),
    ])
    t.strictSame(shown, expected, told)
    const tried = await Promise.all(
      [secret, plain].map(async (view) => apply({ [view]: desired }, { token: guest })),
    )
    const [one, other] = tried.map(({ status, text }) => [status, text.replaceAll(VARIABLE, '')])
    t.strictSame(one, other, told)
  }
  t.match((await plan({ [secret]: { contents: [lib] } })).views, [{ pointers: [{ to: null }, { to: null }] }])
})

test('a repeated key gets the first answer, and the ledger verifies', async (t) => {
  const view = await freshView(app1)
  const first = await apply({ [view]: { contents: [app2] } }, { key: 'once' })
  t.match(first, { status: 200, body: { changed: true } })
  await move(started, 'promote', view, [app3])
  t.strictSame((await apply({ [view]: { contents: [app2] } }, { key: 'once' })).body, first.body)
  t.strictSame(await latestOf(view), [app3.ident])
  t.match(await apply({ [view]: { contents: [app1] } }, { key: 'once' }), { status: 422, differences: '' })
  t.strictSame(await faultsOf(started), [])
})
