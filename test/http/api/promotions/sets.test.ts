import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const started = await startDepot(tap)
const [ssl1, ssl3, curl, app1, app2, web1, tool, odd] = (await makeReleases(
  started,
  `core/openssl/1.1.1/${STAMP}`,
  `core/openssl/3.0.0/${STAMP}`,
  { name: `core/curl/8.0/${STAMP}`, deps: [`core/openssl/1.1.1/${STAMP}`] },
  {
    name: `acme/app/1.0/${STAMP}`,
    deps: [`core/curl/8.0/${STAMP}`],
    tdeps: [`core/curl/8.0/${STAMP}`, `core/openssl/1.1.1/${STAMP}`],
  },
  {
    name: `acme/app/2.0/${STAMP}`,
    deps: [`core/curl/8.0/${STAMP}`],
    tdeps: [`core/curl/8.0/${STAMP}`, `core/openssl/1.1.1/${STAMP}`],
  },
  `acme/web/1.0/${STAMP}`,
  `acme/tool/1.0/${STAMP} for x86_64-windows`,
  { name: `acme/odd/1.0/${STAMP}`, deps: [`core/curl/8.0/${STAMP}`, `core/nowhere/1.0/${STAMP}`] },
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
const ci = await started.account('ci')
await callApi(started, 'PUT', '/api/v1/origins/acme/members/ci', { body: { role: 'maintainer' } })

let count = 0
async function freshView(rule: 'promoted' | 'highest' = 'promoted'): Promise<string> {
  count += 1
  await makeView(started, `view-${count}`, rule)
  return `view-${count}`
}

const promote = async (view: string, body: unknown, token?: string) =>
  callApi(started, 'POST', `/api/v1/views/${view}/promotions`, {
    body,
    ...(token !== undefined && { token }),
  })
const idents = (list: unknown) => (list as { ident: string }[]).map(({ ident }) => ident)
const contentOf = async (view: string, at?: number) =>
  idents(
    (await callApi(started, 'GET', `/api/v1/views/${view}/content${at === undefined ? '' : `?at=${at}`}`))
      .body?.['pointers'],
  )

test('a set from a view has every latest, for every target and origin, in one revision', async (t) => {
  const [from, to] = [await freshView(), await freshView()]
  for (const set of [[app1], [app2, tool], [curl]]) await move(started, 'promote', from, set)
  const answer = await promote(to, { from: { view: from }, reason: 'train 7' })
  t.match(answer, { status: 200, differences: '', body: { revision: 1, changed: true, notes: [] } })
  t.strictSame(await contentOf(to), [app2.ident, tool.ident, curl.ident])
  t.match(await callApi(started, 'GET', `/api/v1/views/${to}/revisions/1`), {
    differences: '',
    body: { act: 'promote', reason: 'train 7', source: { view: from, revision: 3 } },
  })
  const members = await callApi(started, 'GET', `/api/v1/views/${to}/members`)
  t.notOk(idents(members.body?.['members']).includes(app1.ident))
})

test('a set can be from a past revision, or of an origin or a name', async (t) => {
  const from = await freshView()
  for (const set of [[app1, web1], [app2], [curl]]) await move(started, 'promote', from, set)
  const past = await freshView()
  t.match(await promote(past, { from: { view: from, at: 1 } }), { status: 200, differences: '' })
  t.strictSame(await contentOf(past), [app1.ident, web1.ident])
  const ofOrigin = await freshView()
  await promote(ofOrigin, { from: { view: from, origin: 'core' } })
  t.strictSame(await contentOf(ofOrigin), [curl.ident])
  const ofName = await freshView()
  await promote(ofName, { from: { view: from, name: 'app' } })
  t.strictSame(await contentOf(ofName), [app2.ident])
  t.match(await promote(past, { from: { view: from, at: 4 } }), {
    status: 404,
    differences: '',
    body: { code: 'not_found', detail: mentions('revision 4') },
  })
  t.match(await promote(past, { from: { view: 'nowhere' } }), { status: 404, differences: '' })
  t.match(await promote(past, { from: { view: from, at: 'tomorrow' } }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/from/at' }] },
  })
})

test('an exact set demotes releases that the source lacks, within its filter', async (t) => {
  const [from, to] = [await freshView(), await freshView()]
  await move(started, 'promote', from, [app2])
  for (const set of [[web1], [app1], [curl]]) await move(started, 'promote', to, set)
  const answer = await promote(to, { from: { view: from, origin: 'acme' }, exact: true })
  t.match(answer, {
    status: 200,
    differences: '',
    body: {
      releases: [
        { ident: app2.ident, change: 'moved', from: app1.ident },
        { ident: web1.ident, change: 'removed' },
      ],
    },
  })
  t.strictSame(await contentOf(to), [app2.ident, curl.ident])
  await promote(to, { from: { view: from }, exact: true })
  t.strictSame(await contentOf(to), [app2.ident])
  t.match(await promote(to, { from: { view: from }, exact: true }), { body: { changed: false } })
  t.match(await promote(to, { releases: [{ ident: app1.ident }], exact: true }), {
    status: 400,
    differences: '',
  })
})

test('an exact set also demotes members of a package whose members are all yanked', async (t) => {
  const [from, to] = [await freshView(), await freshView()]
  await move(started, 'promote', from, [app2])
  const [old] = await makeReleases(started, `acme/yanked/1.0/${STAMP}`)
  await move(started, 'promote', to, [old as ReleaseRow])
  const url = `/api/v1/releases/acme/yanked/1.0/${STAMP}/yank`
  t.match(await callApi(started, 'PUT', url, { body: { reason: 'broken' } }), { status: 200 })
  t.match(await callApi(started, 'PUT', `/api/v1/views/${to}`, { body: { rule: 'highest' } }), {
    status: 200,
  })
  t.strictSame(await contentOf(to), [])
  await promote(to, { from: { view: from, name: 'app' }, exact: true })
  t.equal(await isMember(), true, 'outside the filter')
  await promote(to, { from: { view: from }, exact: true })
  t.equal(await isMember(), false)

  async function isMember(): Promise<boolean> {
    const { body } = await callApi(started, 'GET', `/api/v1/releases/acme/yanked/1.0/${STAMP}/views`)
    const views = body?.['views'] as { view: string; to_revision: number | null }[]
    return views.some(({ view, to_revision }) => view === to && to_revision === null)
  }
})

test('with_deps adds missing dependencies before their dependents', async (t) => {
  const view = await freshView()
  await move(started, 'promote', view, [curl])
  const answer = await promote(view, { releases: [{ ident: app1.ident }], with_deps: true })
  t.match(answer, {
    status: 200,
    differences: '',
    body: {
      releases: [
        { ident: ssl1.ident, change: 'added', dependency: true },
        { ident: app1.ident, change: 'added', dependency: false },
      ],
    },
  })
})

test('a dependency does not replace a higher latest', async (t) => {
  const view = await freshView()
  await move(started, 'promote', view, [ssl3])
  await promote(view, { releases: [{ ident: app1.ident }], with_deps: true })
  t.strictSame(await contentOf(view), [app1.ident, curl.ident, ssl3.ident])
  t.ok(
    idents((await callApi(started, 'GET', `/api/v1/views/${view}/members`)).body?.['members']).includes(
      ssl1.ident,
    ),
  )
  const other = await freshView('highest')
  await move(started, 'promote', other, [ssl3])
  await promote(other, { releases: [{ ident: app1.ident }], with_deps: true })
  t.strictSame(await contentOf(other), [app1.ident, curl.ident, ssl3.ident])
})

test('a listed release becomes latest even if another one needs an older release of its package', async (t) => {
  const view = await freshView()
  await promote(view, { releases: [{ ident: ssl3.ident }, { ident: app1.ident }], with_deps: true })
  t.strictSame(await contentOf(view), [app1.ident, curl.ident, ssl3.ident])
})

test('with_deps adds no releases of origins where the caller has no right, unless the view names the caller', async (t) => {
  const view = await freshView()
  const body = { releases: [{ ident: app1.ident }], with_deps: true }
  t.match(await promote(view, body, ci), {
    status: 403,
    differences: '',
    body: {
      code: 'forbidden',
      errors: [{ rule: 'rights', detail: mentions('ci', 'maintainer', 'core') }],
    },
  })
  t.strictSame(await contentOf(view), [])
  await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body: { promoters: ['ci'] } })
  t.match(await promote(view, body, ci), { status: 200, differences: '' })
})

test('a set contains no releases that the caller may not see', async (t) => {
  await makeReleases(started, `umbrella/secret/1.0/${STAMP}`)
  await setVisibility(started, `umbrella/secret/1.0/${STAMP}`, 'private')
  const [from, to] = [await freshView(), await freshView()]
  await move(started, 'promote', from, [
    web1,
    { ident: `umbrella/secret/1.0/${STAMP}`, target: 'x86_64-linux' },
  ])
  const answer = await promote(to, { from: { view: from } }, ci)
  t.match(answer, { status: 200, body: { releases: [{ ident: web1.ident }] } })
  t.notOk(answer.text.includes('umbrella'))
})

test('a release of a set that was deleted since its revision is a conflict that names it', async (t) => {
  const [from, to] = [await freshView('highest'), await freshView()]
  const [gone] = (await makeReleases(started, `acme/gone/1.0/${STAMP}`)) as [ReleaseRow]
  await move(started, 'promote', from, [gone, web1])
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: gone,
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await promote(to, { from: { view: from, at: 1 } }), {
    status: 409,
    differences: '',
    body: { code: 'conflict', errors: [{ rule: 'conflict', detail: mentions('acme/gone') }] },
  })
  // A release of the same name is another release.
  await makeReleases(started, `acme/gone/1.0/${STAMP}`)
  t.match(await promote(to, { from: { view: from, at: 1 } }), { status: 409 })
  t.strictSame(await contentOf(to), [])
})

test('a set can be demoted as a whole', async (t) => {
  const [from, to] = [await freshView(), await freshView()]
  await move(started, 'promote', from, [app2, web1])
  for (const set of [[app1], [app2], [curl]]) await move(started, 'promote', to, set)
  const answer = await callApi(started, 'POST', `/api/v1/views/${to}/demotions`, {
    body: { from: { view: from } },
  })
  t.match(answer, {
    status: 200,
    differences: '',
    body: {
      revision: 4,
      releases: [{ ident: app2.ident, change: 'removed' }],
      pointers: [{ from: app2.ident, to: app1.ident }],
    },
  })
})

test('a body without a source or with two is refused', async (t) => {
  const view = await freshView()
  for (const body of [{}, { reason: 'x' }, { releases: [{ ident: app1.ident }], from: { view } }])
    t.match(await promote(view, body), { status: 400, differences: '', body: { code: 'invalid_request' } })
  const many = Array.from({ length: 10_001 }, (_, index) => ({ ident: `acme/app/${index}/${STAMP}` }))
  t.match(await promote(view, { releases: many }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/releases' }] },
  })
})

test('hundreds of releases move in one revision', async (t) => {
  const rows = await makeReleases(
    started,
    ...Array.from({ length: 600 }, (_, index) => `bulk/p${index}/1.0/${STAMP}`),
  )
  const [from, to] = [await freshView(), await freshView()]
  t.match(await promote(from, { releases: rows }), { status: 200, differences: '', body: { revision: 1 } })
  t.match(await promote(to, { from: { view: from } }), { status: 200, body: { revision: 1 } })
  t.equal((await contentOf(to)).length, 100)
  t.match(await callApi(started, 'GET', `/api/v1/views/${to}`), { body: { packages: rows.length } })
  t.match(await promote(to, { from: { view: odd.ident.split('/')[0] } }), { status: 404 })
})

test('the effect of a promotion is available as text', async (t) => {
  const view = await freshView()
  await promote(view, { releases: [{ ident: app2.ident }] })
  const { text } = await callApi(started, 'POST', `/api/v1/views/${view}/promotions?format=text`, {
    body: { releases: [{ ident: app1.ident }, { ident: web1.ident }] },
  })
  t.match(
    text,
    new RegExp(
      `^${view} is at revision 2\n\nCHANGE +RELEASE +TARGET +FROM +WHY\ndowngraded +${app1.ident} +x86_64-linux +2.0/${STAMP} +-\nadded +${web1.ident} .*\n\nlatest moves down: .*track-channel.*\n$`,
    ),
  )
})

const membersOf = async (view: string) =>
  idents((await callApi(started, 'GET', `/api/v1/views/${view}/members`)).body?.['members'])

test('a listed release becomes latest beside a dependent that needs an older one', async (t) => {
  const view = await freshView()
  await move(started, 'promote', view, [ssl3])
  t.match(
    await promote(view, { releases: [{ ident: ssl3.ident }, { ident: app1.ident }], with_deps: true }),
    { status: 200, differences: '', body: { changed: true } },
  )
  t.strictSame(await contentOf(view), [app1.ident, curl.ident, ssl3.ident])
  t.strictSame(await membersOf(view), [app1.ident, curl.ident, ssl1.ident, ssl3.ident])
})

test('repeating an exact set with dependencies changes nothing', async (t) => {
  const [from, to] = [await freshView(), await freshView()]
  await move(started, 'promote', from, [app1])
  await move(started, 'promote', to, [web1])
  const body = { from: { view: from }, exact: true, with_deps: true }
  t.match(await promote(to, body), { body: { revision: 2 } })
  t.match(await promote(to, body), { status: 200, differences: '', body: { revision: 2, changed: false } })
  t.strictSame(await membersOf(to), [app1.ident, curl.ident, ssl1.ident])
})

test('an exact set with dependencies removes all other releases of the packages it needs', async (t) => {
  const [from, to] = [await freshView(), await freshView()]
  await move(started, 'promote', from, [app1])
  await move(started, 'promote', to, [ssl3])
  await promote(to, { from: { view: from }, exact: true, with_deps: true })
  t.strictSame(await membersOf(to), [app1.ident, curl.ident, ssl1.ident])
  t.strictSame(await contentOf(to), [app1.ident, curl.ident, ssl1.ident])
})
