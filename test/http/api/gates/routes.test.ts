import tap, { test } from 'tap'
import { generateToken, hashToken } from '../../../../src/accounts/token.ts'
import { callApi } from '../../../support/call-api.ts'
import { ask } from '../../../support/ask.ts'
import { mentions } from '../../../support/mentions.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { ADMIN_TOKEN, START, startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const started = await startDepot(tap, { listen: true })
const [ssl, curl, app1, app2, web, lost] = (await makeReleases(
  started,
  `core/openssl/1.1.1/${STAMP}`,
  { name: `core/curl/8.0/${STAMP}`, deps: [`core/openssl/1.1.1/${STAMP}`] },
  {
    name: `acme/app/1.0/${STAMP}`,
    deps: [`core/curl/8.0/${STAMP}`],
    tdeps: [`core/curl/8.0/${STAMP}`, `core/openssl/1.1.1/${STAMP}`],
  },
  `acme/app/2.0/${STAMP}`,
  `acme/web/1.0/${STAMP}`,
  { name: `acme/lost/1.0/${STAMP}`, deps: [`core/nowhere/1.0/${STAMP}`] },
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]

async function account(name: string): Promise<string> {
  const token = await started.account(name)
  for (const origin of ['acme', 'core'])
    await callApi(started, 'PUT', `/api/v1/origins/${origin}/members/${name}`, {
      body: { role: 'maintainer' },
    })
  return token
}
const [ci, lead, stranger] = [await account('ci'), await account('lead'), await started.account('stranger')]

let count = 0
async function viewWith(gates: unknown, rule: 'promoted' | 'highest' = 'promoted'): Promise<string> {
  count += 1
  await makeView(started, `gated-${count}`, rule)
  const answer = await callApi(started, 'PUT', `/api/v1/views/gated-${count}/gates`, { body: gates })
  if (answer.status !== 200) throw new Error(answer.text)
  return `gated-${count}`
}

const post = async (view: string, what: string, body: unknown, token = ci) =>
  callApi(started, 'POST', `/api/v1/views/${view}/${what}`, { body, token })
const promote = async (view: string, releases: readonly ReleaseRow[], more: object = {}, token = ci) =>
  post(view, 'promotions', { releases, ...more }, token)
const refused = (rule: string, ...names: readonly string[]) => ({
  status: 409,
  differences: '',
  body: { code: 'refused', errors: [{ rule, detail: mentions(...names) }] },
})
const revisionOf = async (view: string) =>
  (await callApi(started, 'GET', `/api/v1/views/${view}`)).body?.['revision']

test('a promoted release must be in the required view', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before }] })
  t.match(await promote(view, [app1, web]), {
    status: 409,
    body: {
      code: 'refused',
      errors: [
        { rule: 'requires', detail: mentions(app1.ident, before) },
        { rule: 'requires', detail: mentions(web.ident, before) },
      ],
    },
  })
  t.equal(await revisionOf(view), 0)
  await move(started, 'promote', before, [app1, web])
  t.match(await promote(view, [app1, web]), { status: 200, differences: '' })
})

test('a requirement may need latest of a view and not only membership', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, as: 'current' }] })
  for (const release of [app1, app2]) await move(started, 'promote', before, [release])
  t.match(await promote(view, [app1]), refused('requires', app1.ident, before))
  t.match(await promote(view, [app2]), { status: 200 })
})

test('a release soaks without interruption, and joining again does not interrupt', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, soak_seconds: 3_600 }] })
  started.setClock(START + 10_000_000)
  await move(started, 'promote', before, [app2])
  started.setClock(START + 10_000_000 + 3_000_000)
  t.match(
    await promote(view, [app2]),
    refused('requires', app2.ident, before, '2026-01-01T02:46:40', '2026-01-01T03:46:40'),
  )
  await move(started, 'promote', before, [app1, app2]) // app2 joins again
  started.setClock(START + 10_000_000 + 3_700_000)
  t.match(await promote(view, [app1]), { status: 409 })
  t.match(await promote(view, [app2]), { status: 200 })
  await move(started, 'demote', before, [app1])
  await move(started, 'promote', before, [app1])
  started.setClock(START + 10_000_000 + 7_000_000)
  t.match(await promote(view, [app1]), { status: 409 }, 'it left in between')
})

test('setting the clock back does not add soak time', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, soak_seconds: 60 }] })
  await move(started, 'promote', before, [app1])
  started.setClock(START)
  t.match(await promote(view, [app1]), { status: 409 })
})

/** Records a change with releases, and returns a function that reports its phases. */
async function changeWith(
  change: string,
  ...releases: readonly ReleaseRow[]
): Promise<{
  id: string
  report: (phase: string, view: string | undefined, status: string) => Promise<void>
}> {
  const recorded = { project: 'acme/app', change, commit: change }
  const { body } = await callApi(started, 'POST', '/api/v1/changes', { body: recorded })
  const id = String(body?.['id'])
  const send = async (what: string, fields: object) => {
    const answer = await callApi(started, 'POST', `/api/v1/changes/${id}/${what}`, { body: fields })
    if (answer.status > 201) throw new Error(answer.text)
  }
  for (const { ident: release } of releases) await send('releases', { release, rebuild: true })
  return { id, report: (phase, view, status) => send('phases', { phase, view, status }) }
}

test('a promoted release must belong to a change whose phases passed in the required view', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({
    requires: [{ view: before, phases: ['smoke', 'unit'] }],
    overriders: ['ci'],
  })
  const needs = (...names: readonly string[]) => refused('requires', app1.ident, ...names)
  await move(started, 'promote', before, [app1, web])
  t.match(await promote(view, [app1]), needs('no change', 'smoke, unit', before))

  const { report } = await changeWith('c1', app1, web)
  t.match(await promote(view, [app1]), needs('c1', 'acme/app', `smoke in ${before} was not reported`))
  await report('smoke', 'acceptance', 'passed')
  t.match(await promote(view, [app1]), needs(`smoke in ${before} was not reported`))
  for (const [status, words] of [
    ['running', 'is running'],
    ['failed', 'failed'],
    ['skipped', 'was skipped'],
    ['not_configured', 'is not configured'],
  ] as const) {
    await report('smoke', before, status)
    t.match(await promote(view, [app1]), needs(`smoke in ${before} ${words}, unit was not reported`))
  }
  await report('smoke', before, 'passed')
  const planned = await post(view, 'plans', { releases: [app1] })
  t.match(planned.body, { blocked: [{ rule: 'requires', detail: mentions(app1.ident, 'c1', 'unit') }] })
  t.match(await promote(view, [web], { override: { reason: 'it burns' } }), {
    status: 200,
    body: { overridden: [mentions(web.ident, 'unit')] },
  })
  await report('unit', undefined, 'passed')
  t.match(await promote(view, [app1]), { status: 200, differences: '' })
  await report('unit', undefined, 'failed')
  t.match(await post(view, 'rollbacks', { to: 1 }), { status: 200 }, 'undo restores what was allowed')
  t.match(await promote(view, [app1]), { status: 409 })
})

test('a phase passes for exactly the releases that the change had then', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['smoke'] }] })
  const [first, rebuilt] = (await makeReleases(
    started,
    `acme/rebuilt/1.0/${STAMP}`,
    'acme/rebuilt/1.0/20260102000000',
  )) as [ReleaseRow, ReleaseRow]
  await move(started, 'promote', before, [first, rebuilt])
  const { id, report } = await changeWith('c2', first)
  await report('smoke', before, 'passed')
  await callApi(started, 'POST', `/api/v1/changes/${id}/releases`, {
    body: { release: rebuilt.ident, rebuild: true },
  })
  t.match(
    await promote(view, [rebuilt]),
    refused('requires', rebuilt.ident, `smoke in ${before} was reported for other builds`),
  )
  t.match(await promote(view, [first]), { status: 200 }, 'this one was tested')
  await report('smoke', before, 'passed')
  t.match(await promote(view, [rebuilt]), { status: 200 })
  t.match(
    await promote(view, [first]),
    refused('requires', first.ident, 'was reported for other builds'),
    'the report is about the rebuild',
  )
})

test('phases of the sources may have passed before the release was built, and publish may not', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['unit', 'publish'] }] })
  const [built] = (await makeReleases(started, `acme/built/1.0/${STAMP}`)) as [ReleaseRow]
  await move(started, 'promote', before, [built])
  const { id, report } = await changeWith('c5')
  for (const phase of ['unit', 'publish']) await report(phase, undefined, 'passed')
  await callApi(started, 'POST', `/api/v1/changes/${id}/releases`, { body: { release: built.ident } })
  t.match(await promote(view, [built]), refused('requires', 'of which publish was reported for other builds'))
  await report('publish', undefined, 'passed')
  t.match(await promote(view, [built]), { status: 200 })
})

test('of several changes of a release, one that passed is enough', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['functional'] }] })
  const [shared] = (await makeReleases(started, `acme/shared/1.0/${STAMP}`)) as [ReleaseRow]
  await move(started, 'promote', before, [shared])
  const { report } = await changeWith('c3', shared)
  await changeWith('c4', shared)
  t.match(await promote(view, [shared]), refused('requires', 'c4'), 'the newest is named')
  await report('functional', before, 'passed')
  t.match(await promote(view, [shared]), { status: 200 })
})

test('a refusal does not name a change of which one release is hidden from the caller', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before, phases: ['smoke'] }], promoters: ['stranger'] })
  const [shown, secret] = (await makeReleases(
    started,
    `acme/shown/1.0/${STAMP}`,
    `acme/zebra/1.0/${STAMP}`,
  )) as [ReleaseRow, ReleaseRow]
  await setVisibility(started, secret.ident, 'private')
  await move(started, 'promote', before, [shown])
  await changeWith('the-secret-change', shown, secret)
  const answer = await promote(view, [shown], {}, stranger)
  t.match(answer, { status: 409, body: { errors: [{ rule: 'requires' }] } })
  t.notMatch(answer.text, /secret|zebra/)
})

test('a package that has moved stays until it has settled, except for undo', async (t) => {
  const view = await viewWith({ settle_seconds: 60, overriders: ['ci'] })
  const now = START + 200_000_000
  started.setClock(now)
  t.match(await promote(view, [app1]), { status: 200, body: { notes: [] } })
  started.setClock(now + 59_000)
  t.match(
    await promote(view, [app2]),
    refused('settle', 'acme/app', 'x86_64-linux', '2026-01-03T07:33:20', '2026-01-03T07:34:20'),
  )
  t.match(await promote(view, [web]), { status: 200 }, 'another package may move')
  t.match(await promote(view, [app1]), { status: 200 }, 'nothing moves')
  t.match(await post(view, 'demotions', { releases: [app1] }), refused('settle'))
  started.setClock(now + 60_000)
  t.match(await promote(view, [app2]), { status: 200 })
  t.match(await promote(view, [app1], { override: { reason: 'it burns' } }), {
    status: 200,
    body: { overridden: [mentions('acme/app')], notes: [String, mentions('acme/app')] },
  })
  t.match(await post(view, 'rollbacks', { to: 3 }), { status: 200 })
  t.match(await post(view, 'reverts', { revision: 3 }), { status: 200 })
  t.match(await post(view, 'rollbacks', { to: 0 }), { status: 200 })
  t.match(await promote(view, [app1]), refused('settle'), 'moving to no release counts, too')
})

test('without the gate, plans and what is made from them warn of a package that moved a short time ago', async (t) => {
  const view = await viewWith({})
  const now = START + 300_000_000
  started.setClock(now)
  await promote(view, [app1])
  started.setClock(now + 119_000)
  const early = await post(view, 'plans', { releases: [app2] })
  t.match(early.body, { blocked: [], notes: [mentions('acme/app', '2026-01-04T11:20:00')] })
  const applied = await callApi(started, 'POST', `/api/v1/plans/${String(early.body?.['plan'])}/apply`, {
    token: ci,
  })
  t.match(applied, { status: 200, body: { notes: [mentions('acme/app')] } })
  started.setClock(now + 119_000 + 120_000)
  t.strictSame((await post(view, 'plans', { releases: [web] })).body?.['notes'], [])
  t.notMatch(JSON.stringify((await post(view, 'plans', { releases: [app1] })).body?.['notes']), /moved at/)
})

test('with closure, all dependencies must be in the view, and the error has the chain', async (t) => {
  const view = await viewWith({ closure: 'view' })
  t.match(await promote(view, [app1]), {
    status: 409,
    differences: '',
    body: {
      code: 'refused',
      errors: [
        { rule: 'closure', chain: [app1.ident, curl.ident] },
        { rule: 'closure', chain: [app1.ident, curl.ident, ssl.ident] },
      ],
    },
  })
  t.match(await promote(view, [app1], { with_deps: true }), { status: 200, differences: '' })
})

test('a dependency cannot leave unless its dependents leave too', async (t) => {
  const view = await viewWith({ closure: 'view' })
  await promote(view, [app1], { with_deps: true })
  t.match(
    await post(view, 'demotions', { releases: [curl] }),
    refused('closure', app1.ident, view, curl.ident),
  )
  t.match(
    await post(view, 'demotions', { releases: [ssl, app1] }),
    refused('closure', curl.ident, view, ssl.ident),
  )
  t.match(await post(view, 'demotions', { releases: [ssl, curl, app1] }), { status: 200 })
})

test('closure in the depot needs published dependencies', async (t) => {
  const view = await viewWith({ closure: 'depot' })
  t.match(await promote(view, [app1]), { status: 200 })
  t.match(await promote(view, [lost]), refused('closure', lost.ident, `core/nowhere/1.0/${STAMP}`))
})

test('a release that a view needs cannot be deleted', async (t) => {
  const view = await viewWith({ closure: 'view' }, 'highest')
  const [leaf, user] = (await makeReleases(started, `acme/leaf/1.0/${STAMP}`, {
    name: `acme/user/1.0/${STAMP}`,
    deps: [`acme/leaf/1.0/${STAMP}`],
  })) as [ReleaseRow, ReleaseRow]
  await move(started, 'promote', view, [leaf, user])
  await t.rejects(
    started.depot.writer.submit({
      kind: 'deleteRelease',
      input: leaf,
      actor: { client: 'tests', door: 'cli' },
    }),
    { code: 'in_use' },
  )
})

test('with downgrade refused, promotion and demotion cannot lower latest, and rollback can', async (t) => {
  const view = await viewWith({ downgrade: 'refuse' })
  for (const release of [app1, app2]) await promote(view, [release])
  t.match(await promote(view, [app1]), refused('downgrade', app2.ident, app1.ident))
  t.match(await post(view, 'demotions', { releases: [app2] }), refused('downgrade', app2.ident, app1.ident))
  t.match(await post(view, 'rollbacks', { to: 1 }), {
    status: 200,
    body: { releases: [{ change: 'removed' }] },
  })
})

test('only named promoters can change the view, whatever their roles', async (t) => {
  const view = await viewWith({ promoters: ['stranger'] })
  t.match(await promote(view, [app1]), {
    status: 403,
    differences: '',
    body: { code: 'forbidden', detail: mentions('ci', view) },
  })
  t.match(await promote(view, [app1], {}, stranger), { status: 200, differences: '' })
  const narrowed = await started.account('narrowed', { origins: ['core'], views: [view] })
  await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body: { promoters: ['narrowed'] } })
  t.match(await promote(view, [app2], {}, narrowed), {
    status: 403,
    body: { code: 'forbidden', detail: mentions('acme') },
  })
  t.match(await promote(view, [curl], {}, narrowed), { status: 200 })
})

test('a frozen view cannot change through any API until it is thawed or the freeze expires', async (t) => {
  const view = await viewWith({})
  started.setClock(START + 50_000_000)
  const until = new Date(START + 60_000_000).toISOString()
  const frozen = await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, {
    body: { reason: 'audit', until },
  })
  t.match(frozen, { status: 200, differences: '', body: { frozen: { reason: 'audit', by: 'admin', until } } })
  const sentence = `${view} is frozen until ${until} by admin: audit`
  t.match(await promote(view, [app1]), refused('freeze', sentence))
  t.match(
    await post(view, 'rollbacks', { to: 0 }),
    { status: 200, body: { changed: false } },
    'a change without effect is not refused',
  )
  const habitat = await ask(`${started.url}/v1/depot/views/${view}/pkgs/${app1.ident}/promote`, {
    method: 'POST',
    headers: { ...bearer(ci), 'content-length': 0 },
  })
  t.equal(habitat.status, 403)
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), {
    differences: '',
    body: { frozen: { reason: 'audit' }, revision: 0 },
  })
  started.setClock(START + 60_000_000)
  t.match(await promote(view, [app1]), { status: 200 })
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'for good' } })
  t.match(await promote(view, [app2]), refused('freeze', `${view} is frozen by admin: for good`))
  t.match(await callApi(started, 'DELETE', `/api/v1/views/${view}/freeze`), {
    status: 200,
    differences: '',
    body: { frozen: null },
  })
  t.match(await promote(view, [app2]), { status: 200 })
})

const freezing = async (place: string, body: object, token?: string) =>
  callApi(started, 'PUT', `/api/v1/${place}freeze`, {
    body: { reason: 'audit', ...body },
    ...(token && { token }),
  })
const thawing = async (place: string, query = '', token?: string) =>
  callApi(started, 'DELETE', `/api/v1/${place}freeze${query}`, token === undefined ? {} : { token })

test('a freeze of an origin, a name or a package applies only to it', async (t) => {
  const cases = [
    [{ origin: 'acme', name: 'app' }, 'acme/app', [app1], [web, ssl]],
    [{ origin: 'acme' }, 'acme/*', [app1, web], [ssl, curl]],
    [{ name: 'app' }, '*/app', [app2], [web, ssl]],
  ] as const
  for (const [only, what, held, free] of cases) {
    const view = await viewWith({})
    const place = `views/${view}/`
    t.match(await freezing(place, only), {
      status: 200,
      differences: '',
      body: {
        frozen: null,
        freezes: [{ view, origin: null, name: null, ...only, reason: 'audit', until: null, by: 'admin' }],
      },
    })
    for (const release of held)
      t.match(
        await promote(view, [ssl, release]),
        refused('freeze', `${what} in ${view} is frozen by admin: audit`),
      )
    t.match(await promote(view, free), { status: 200 })
    t.match(
      (await callApi(started, 'GET', `/api/v1/views/${view}/gates?format=text`)).text,
      `frozen      ${what} by admin: audit\n`,
    )
    t.match(
      await thawing(place),
      { body: { freezes: { length: 1 } } },
      'another freeze than that of everything',
    )
    t.match(await thawing(place, `?${new URLSearchParams(only).toString()}`), {
      status: 200,
      differences: '',
      body: { freezes: [] },
    })
    t.match(await promote(view, held), { status: 200 })
  }
})

test('a view can have several freezes, one for the same packages, each with its end', async (t) => {
  const view = await viewWith({})
  const place = `views/${view}/`
  started.setClock(START + 70_000_000)
  const until = new Date(START + 80_000_000).toISOString()
  await freezing(place, { origin: 'acme', until })
  await freezing(place, { origin: 'acme', name: 'web' })
  t.match((await freezing(place, { origin: 'acme', reason: 'again', until })).body, {
    freezes: [{ name: 'web' }, { name: null, reason: 'again', until }],
  })
  t.match(await promote(view, [web]), {
    status: 409,
    body: {
      errors: [
        { rule: 'freeze', detail: mentions('acme/web', view, 'audit') },
        { rule: 'freeze', detail: mentions('acme/*', view, until, 'admin', 'again') },
      ],
    },
  })
  started.setClock(START + 80_000_000)
  t.match(await promote(view, [app1]), { status: 200 }, 'it ends by itself')
  t.match(await promote(view, [web]), { status: 409, body: { errors: { length: 1 } } })
  t.match((await callApi(started, 'GET', `/api/v1/${place}gates`)).body, {
    freezes: { length: 1, 0: { name: 'web' } },
  })
  t.match(await freezing(place, { origin: 'No Origin' }), { status: 400, differences: '' })
  for (let i = 2; i < 100; i += 1)
    await started.depot.writer.submit({
      kind: 'freeze',
      input: { view, name: `n${i}`, reason: 'x' },
      actor: { client: 'tests', door: 'cli' },
    })
  t.match(await freezing(place, { name: 'one-more' }), {
    status: 409,
    differences: '',
    body: { code: 'refused', detail: mentions('100') },
  })
  t.match(
    await freezing(place, { origin: 'acme', name: 'web' }),
    { status: 200 },
    'it replaces an existing one',
  )
})

test('a freeze of every view applies to present and future ones, but not to uploads and not to the freezes of single views', async (t) => {
  const [view, other] = [await viewWith({}), await viewWith({})]
  started.setClock(START + 90_000_000)
  const until = new Date(START + 95_000_000).toISOString()
  for (const token of [ci, lead]) t.match(await freezing('', {}, token), { status: 403, differences: '' })
  t.match(await freezing('', { until }), {
    status: 200,
    differences: '',
    body: { freezes: [{ view: null, origin: null, name: null, until, by: 'admin' }] },
  })
  const later = await viewWith({})
  for (const name of [view, later])
    t.match(await promote(name, [app1]), refused('freeze', until, 'admin', 'audit'))
  const stable = await ask(`${started.url}/v1/depot/channels/acme/stable/pkgs/app/1.0/${STAMP}/promote`, {
    method: 'PUT',
    headers: { ...bearer(ci), 'content-length': 0, 'user-agent': 'hab/2.1' },
  })
  t.match(stable, { status: 403, text: mentions('admin', 'audit') })
  await t.resolves(makeReleases(started, `acme/uploaded/1.0/${STAMP}`), 'a freeze does not stop uploads')
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), {
    differences: '',
    body: { frozen: { reason: 'audit', until } },
  })
  t.match(await callApi(started, 'GET', '/api/v1/freeze', { token: null }), {
    status: 200,
    differences: '',
    body: { freezes: { length: 1 } },
  })
  t.match(
    (await callApi(started, 'GET', '/api/v1/freeze?format=text')).text,
    `in every view until ${until.slice(0, 19)}Z by admin: audit\n`,
  )
  await freezing(`views/${other}/`, { reason: 'its own' })
  started.setClock(START + 95_000_000)
  t.match(await promote(view, [app1]), { status: 200 }, 'it ends by itself')
  t.match(await promote(other, [app1]), refused('freeze', `${other} is frozen by admin: its own`))

  await freezing('', { origin: 'acme', name: 'app', reason: 'app is broken' })
  t.match(
    await promote(later, [app1]),
    refused('freeze', 'acme/app in every view is frozen by admin: app is broken'),
  )
  t.match(await promote(later, [web]), { status: 200 })
  t.match(await thawing('', '?origin=acme&name=app', lead), { status: 403 })
  t.match(await thawing('', '?origin=acme&name=app'), { status: 200, differences: '', body: { freezes: [] } })
  t.match(await promote(later, [app1]), { status: 200 })
  t.match(await promote(other, [app1]), { status: 409 }, 'a view that is frozen by itself stays so')
  await thawing('')
})

test('a freeze of a package is hidden from callers who see no release of it', async (t) => {
  const view = await viewWith({})
  const [hidden] = (await makeReleases(started, `core/hidden-thing/1.0/${STAMP}`)) as [ReleaseRow]
  await setVisibility(started, hidden.ident, 'private')
  const { body } = await callApi(started, 'GET', '/api/v1/ledger')
  for (const place of [`views/${view}/`, ''])
    for (const only of [{ origin: 'core', name: 'hidden-thing' }, { name: 'hidden-thing' }])
      await freezing(place, only)
  const pages = [
    `views/${view}/gates`,
    'freeze',
    `views/${view}`,
    `events?after=${String(body?.['sequence'])}`,
  ]
  for (const page of pages)
    for (const token of [null, stranger])
      t.notMatch((await callApi(started, 'GET', `/api/v1/${page}`, { token })).text, /hidden-thing/, page)
  for (const [page, some] of [
    [pages[0], 4],
    [pages[1], 2],
  ] as const)
    for (const token of [ci, undefined])
      t.match((await callApi(started, 'GET', `/api/v1/${page}`, token === undefined ? {} : { token })).body, {
        freezes: { length: some },
      })
  await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body: { promoters: ['stranger'] } })
  t.match(await promote(view, [app1], {}, stranger), { status: 200 })
  for (const query of ['?origin=core&name=hidden-thing', '?name=hidden-thing']) await thawing('', query)
})

test('administrators and named promoters can freeze', async (t) => {
  const view = await viewWith({ promoters: ['lead'] })
  const freeze = async (token: string) =>
    callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'stop' }, token })
  t.match(await freeze(ci), { status: 403, differences: '' })
  t.match(await freeze(lead), { status: 200 })
  t.match(await callApi(started, 'DELETE', `/api/v1/views/${view}/freeze`, { token: ci }), { status: 403 })
  const open = await viewWith({})
  t.match(
    await callApi(started, 'PUT', `/api/v1/views/${open}/freeze`, { body: { reason: 'stop' }, token: ci }),
    { status: 403, differences: '' },
  )
  t.match(
    await callApi(started, 'PUT', `/api/v1/views/${open}/freeze`, {
      body: { reason: 'stop', until: '2020-01-01T00:00:00Z' },
    }),
    { status: 400, differences: '', body: { errors: [{ pointer: '/until' }] } },
  )
})

test('an override disables gates, and is recorded, returned, shown and logged', async (t) => {
  const view = await viewWith({ downgrade: 'refuse', closure: 'view', overriders: ['lead'] })
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'audit' } })
  const override = { reason: 'the site is down' }
  t.match(await promote(view, [app1], { override }), {
    status: 403,
    differences: '',
    body: { code: 'forbidden', detail: mentions('ci', view) },
  })
  const answer = await promote(view, [app1], { override }, lead)
  t.match(answer, {
    status: 200,
    differences: '',
    body: { overridden: [mentions(view, 'audit'), mentions(curl.ident), mentions(ssl.ident)] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/1`), {
    differences: '',
    body: { override: { reason: 'the site is down', refusals: [/frozen/, /curl/, /openssl/] } },
  })
  t.match(
    (await callApi(started, 'GET', `/api/v1/views/${view}/history?format=text`)).text,
    /OVERRIDE: the site is down/,
  )
  const [warning] = started.logged.filter(
    (line) => line['msg'] === 'gates of a view were overridden' && line['view'] === view,
  )
  t.match(warning, { level: 'warn', view, revision: 1, reason: 'the site is down' })
})

test('rights cannot be overridden', async (t) => {
  const view = await viewWith({ overriders: ['stranger'] })
  t.match(await promote(view, [app1], { override: { reason: 'mine' } }, stranger), { status: 403 })
})

test('an unnecessary override is an ordinary promotion', async (t) => {
  const view = await viewWith({ overriders: ['lead'] })
  t.match(await promote(view, [app1], { override: { reason: 'to be sure' } }, lead), {
    status: 200,
    body: { overridden: [] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/1`), { body: { override: null } })
})

test('an administrator who is also an overrider acts as either, as the token allows', async (t) => {
  const { writer } = started.depot
  const OPERATOR = { client: 'tests', door: 'cli' } as const
  await writer.submit({ kind: 'addAccount', input: { name: 'both', isAdministrator: true }, actor: OPERATOR })
  const view = await viewWith({ overriders: ['both'] })
  const override = { reason: 'the site is down' }
  for (const [action, more, status] of [
    ['manage', {}, 200],
    ['promote', { override }, 200],
    ['read', { override }, 403],
  ] as const) {
    const token = generateToken()
    await writer.submit({
      kind: 'issueToken',
      input: { account: 'both', hash: hashToken(token), label: action, scope: { actions: [action] } },
      actor: OPERATOR,
    })
    const body = { overriders: ['both'], ...more }
    const answer = await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body, token })
    t.match(answer, { status, differences: '' }, action)
  }
})

test('overriders end freezes and set gates, and the ledger keeps why', async (t) => {
  const view = await viewWith({ closure: 'depot', overriders: ['lead'] })
  const url = `/api/v1/views/${view}`
  const override = { reason: 'the site is down' }
  const frozen = { reason: 'audit' }
  await callApi(started, 'PUT', `${url}/freeze`, { body: frozen })
  const thaw = async (token: string, query = '?override=the%20site%20is%20down') =>
    callApi(started, 'DELETE', `${url}/freeze${query}`, { token })
  t.match(await thaw(lead, ''), { status: 403, differences: '' }, 'not without an override')
  t.match(await thaw(ci), { status: 403, differences: '' }, 'only overriders')
  t.match(await thaw(lead), { status: 200, differences: '', body: { freezes: [] } })
  t.match(await callApi(started, 'PUT', `${url}/freeze`, { body: { ...frozen, override }, token: lead }), {
    status: 200,
    differences: '',
  })
  t.match(await thaw(ADMIN_TOKEN), { status: 200 }, 'an administrator may give a reason, too')
  const set = async (gates: object, token: string) =>
    callApi(started, 'PUT', `${url}/gates`, { body: { ...gates, override }, token })
  t.match(await set({ overriders: ['lead'] }, ci), { status: 403, differences: '' })
  t.match(await set({ overriders: ['lead', 'ci'] }, lead), { status: 403, differences: '' })
  t.match(await set({ overriders: ['lead'], promoters: ['lead'] }, lead), { status: 403 })
  t.match(await callApi(started, 'PUT', `${url}/gates`, { body: { overriders: ['lead'] }, token: lead }), {
    status: 403,
  })
  t.match(await set({ overriders: ['lead'] }, lead), {
    status: 200,
    differences: '',
    body: { closure: null },
  })
  const { body = {} } = await callApi(started, 'GET', `/api/v1/events?view=${view}`)
  const events = body['events'] as { kind: string; event: { override?: object } }[]
  const recorded = events.flatMap(({ kind, event: { override: why } }) => (why ? [[kind, why]] : []))
  t.match(recorded, [
    ['view-thawed', { reason: 'the site is down', refusals: [/lead may not/, /frozen by admin: audit/] }],
    ['view-frozen', { refusals: [/lead may not/] }],
    ['view-thawed', { refusals: [/frozen by lead: audit/] }],
    ['gates-set', { refusals: [/lead is not an administrator/] }],
  ])
  t.equal(started.logged.filter((line) => line['view'] === view && line['level'] === 'warn').length, 4)
})

test('gates can be read as JSON and text, and only administrators set them', async (t) => {
  const gates = {
    requires: [{ view: 'acceptance', as: 'current', soak_seconds: 60 }],
    closure: 'view',
    downgrade: 'refuse',
    promoters: ['ci'],
    approval: { approvers: ['lead'], expires_seconds: 3_600 },
    overriders: ['lead'],
  }
  const view = await viewWith(gates)
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/gates`, { token: null }), {
    status: 200,
    differences: '',
    body: { view, frozen: null, ...gates },
  })
  t.match(
    (await callApi(started, 'GET', `/api/v1/views/${view}/gates?format=text`)).text,
    new RegExp(`^${view}\n\nRULE +VALUE\nrequires +current in acceptance for 60 s\nclosure +in the view\n`),
  )
  t.match(await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body: {}, token: ci }), {
    status: 403,
  })
})

test('gates that cannot work are refused, and every part is named', async (t) => {
  const [one, two] = [await viewWith({}), await viewWith({})]
  await callApi(started, 'PUT', `/api/v1/views/${two}/gates`, { body: { requires: [{ view: one }] } })
  const set = async (view: string, body: unknown) =>
    callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body })
  t.match(await set(one, { requires: [{ view: two }, { view: 'nowhere' }], promoters: ['nobody'] }), {
    status: 400,
    differences: '',
    body: {
      errors: [{ pointer: '/promoters/0' }, { pointer: '/requires/0/view' }, { pointer: '/requires/1/view' }],
    },
  })
  t.match(await set(one, { requires: [{ view: one }] }), { status: 400 })
  t.match(await set(one, { closure: 'world', soak: 1 }), {
    status: 400,
    body: { errors: [{ pointer: '/closure' }, { pointer: '/soak' }] },
  })
  t.match(await set('unstable', {}), { status: 409, differences: '', body: { code: 'refused' } })
  t.match(await set('nowhere', {}), { status: 404 })
  t.match(await callApi(started, 'PUT', '/api/v1/views/unstable/freeze', { body: { reason: 'x' } }), {
    status: 409,
  })
})

test('bulk moves and channels of Habitat clients obey the same gates', async (t) => {
  const before = await viewWith({})
  const view = await viewWith({ requires: [{ view: before }] })
  await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, { body: { requires: [{ view: before }] } })
  const from = await viewWith({})
  await move(started, 'promote', from, [web])
  const put = async (path: string) =>
    (
      await ask(`${started.url}/v1/depot/channels/acme/${path}`, {
        method: 'PUT',
        headers: { ...bearer(ci), 'content-length': 0 },
      })
    ).status
  t.equal(await put(`${from}/pkgs/promote?channel=${view}`), 403)
  await move(started, 'promote', before, [web])
  t.equal(await put(`${from}/pkgs/promote?channel=${view}`), 200)
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'stop' } })
  t.equal(await put(`${from}/pkgs/demote?channel=${view}`), 403)
  t.equal(
    (await ask(`${started.url}/v1/depot/channels/acme/${view}`, { method: 'DELETE', headers: bearer(ci) }))
      .status,
    403,
  )
  t.equal(await revisionOf(view), 1)
})

test('gates treat invisible releases as absent, and errors do not name them', async (t) => {
  const [hidden, open] = (await makeReleases(started, `umbrella/hidden/1.0/${STAMP}`, {
    name: `acme/open/1.0/${STAMP}`,
    deps: [`umbrella/hidden/1.0/${STAMP}`],
  })) as [ReleaseRow, ReleaseRow]
  await setVisibility(started, hidden.ident, 'private')
  const view = await viewWith({ closure: 'depot' })
  const told = await promote(view, [open])
  t.match(told, refused('closure', `${open.ident} → ${hidden.ident} is not in the depot`))
  t.match(await promote(view, [{ ...open }], {}, 'administrator-token-of-the-tests'), { status: 200 })

  const [leaf, user] = (await makeReleases(started, `acme/stem/1.0/${STAMP}`, {
    name: `umbrella/user/1.0/${STAMP}`,
    deps: [`acme/stem/1.0/${STAMP}`],
  })) as [ReleaseRow, ReleaseRow]
  await setVisibility(started, user.ident, 'private')
  const whole = await viewWith({ closure: 'view' })
  await move(started, 'promote', whole, [leaf, user])
  const answer = await post(whole, 'demotions', { releases: [leaf] })
  t.match(answer, refused('closure', `something in ${whole} needs ${leaf.ident}`))
  t.notOk(answer.text.includes('umbrella'))
})

test('the gates of a view made by clients remain after its channels are deleted', async (t) => {
  const channel = async (method: 'POST' | 'DELETE') =>
    (
      await ask(`${started.url}/v1/depot/channels/acme/prod`, {
        method,
        headers: { ...bearer(ci), 'content-length': 0 },
      })
    ).status
  t.equal(await channel('POST'), 201)
  await callApi(started, 'PUT', '/api/v1/views/prod/gates', { body: { promoters: ['lead'] } })
  t.match(await promote('prod', [web]), { status: 403 })
  t.strictSame([await channel('DELETE'), await channel('POST')], [200, 201])
  t.match(await promote('prod', [web]), { status: 403, differences: '' })
  await callApi(started, 'PUT', '/api/v1/views/prod/gates', { body: {} })
  await callApi(started, 'PUT', '/api/v1/views/prod/freeze', { body: { reason: 'audit' } })
  t.strictSame([await channel('DELETE'), await channel('POST')], [200, 201])
  t.match(await promote('prod', [web]), refused('freeze', 'prod is frozen by admin: audit'))
})

test('deleting releases needs the right to change the view', async (t) => {
  const releases = await makeReleases(started, `acme/base/1.0/${STAMP}`, `acme/base/2.0/${STAMP}`)
  for (const gates of [{ promoters: ['lead'] }, { approval: {} }]) {
    const view = await viewWith(gates, 'highest')
    await move(started, 'promote', view, releases)
    const { status } = await ask(`${started.url}/v1/depot/pkgs/acme/base/2.0/${STAMP}?target=x86_64-linux`, {
      method: 'DELETE',
      headers: bearer(ci),
    })
    t.equal(status, 422)
    t.match(await callApi(started, 'GET', `/api/v1/views/${view}/latest/acme/base`), {
      body: { ident: `acme/base/2.0/${STAMP}` },
    })
  }
})

test('a named promoter cannot change releases that it may not see', async (t) => {
  const [open, hidden] = (await makeReleases(
    started,
    `umbrella/seen/1.0/${STAMP}`,
    `umbrella/seen/2.0/${STAMP}`,
  )) as [ReleaseRow, ReleaseRow]
  await setVisibility(started, hidden.ident, 'private')
  const view = await viewWith({ promoters: ['stranger'] })
  await move(started, 'promote', view, [hidden])
  const answers = [
    await promote(view, [open], {}, stranger),
    await post(view, 'rollbacks', { to: 0 }, stranger),
    await post(view, 'reverts', { revision: 1 }, stranger),
  ]
  for (const answer of answers) {
    t.match(answer, {
      status: 403,
      differences: '',
      body: { code: 'forbidden', detail: mentions('stranger') },
    })
    t.notOk(answer.text.includes(hidden.ident))
  }
})

test('a token narrowed to origins cannot freeze or thaw, and approves and rejects only for its origins', async (t) => {
  const view = await viewWith({
    promoters: ['ci', 'lead'],
    approval: { approvers: ['lead'], expires_seconds: 3_600 },
  })
  const narrow = await started.actor('lead', { origins: ['acme'] })
  const { writer } = started.depot
  const forbidden = { code: 'forbidden' }
  await t.rejects(
    writer.submit({ kind: 'freeze', input: { view, reason: 'stop' }, actor: narrow }),
    forbidden,
  )
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'stop' } })
  await t.rejects(writer.submit({ kind: 'thaw', input: { view }, actor: narrow }), forbidden)
  await callApi(started, 'DELETE', `/api/v1/views/${view}/freeze`)
  const propose = async (release: ReleaseRow) =>
    String((await post(view, 'proposals', { releases: [release] })).body?.['plan'])
  const decide = (kind: 'approve' | 'reject', plan: string) =>
    writer.submit({ kind, input: { plan, nextToken: `next-${plan}` }, actor: narrow })
  const theirs = await propose(curl)
  await t.rejects(decide('approve', theirs), forbidden)
  await t.rejects(decide('reject', theirs), forbidden)
  t.match(await decide('approve', await propose(web)), { outcome: { revision: 1 } })
  t.match(await decide('reject', await propose(app1)), { end: { how: 'rejected' } })
})
