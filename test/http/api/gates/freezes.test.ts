import tap, { test } from 'tap'
import { verifyDepot } from '../../../../src/audit/verify.ts'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { gateScene, refused, STAMP } from '../../../support/views/gate-scene.ts'
import { mentions } from '../../../support/mentions.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { START } from '../../../support/start-depot.ts'

const { started, ssl, curl, app1, app2, web, ci, lead, stranger, viewWith, post, promote } =
  await gateScene(tap)

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
  for (let i = 1; i < 100; i += 1)
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

test('freezes that have expired do not count against the limit', async (t) => {
  const view = await viewWith({})
  started.setClock(START + 100_000_000)
  const until = START + 110_000_000
  const actor = { client: 'tests', door: 'cli' } as const
  for (let i = 0; i < 100; i += 1) {
    const input = { name: `n${i}`, reason: 'x', until: i === 7 ? until - 1_000 : until }
    await started.depot.writer.submit({ kind: 'freeze', input: { view, ...input }, actor })
    await started.depot.writer.submit({ kind: 'freezeAll', input, actor })
  }
  for (const place of [`views/${view}/`, ''])
    t.match(await freezing(place, { name: 'early' }), { status: 409, body: { code: 'refused' } })
  const head = await callApi(started, 'GET', '/api/v1/ledger')
  started.setClock(until)
  for (const place of [`views/${view}/`, ''])
    t.match(await freezing(place, { name: 'app' }), {
      status: 200,
      differences: '',
      body: { freezes: { length: 1, 0: { name: 'app' } } },
    })
  const { body } = await callApi(started, 'GET', `/api/v1/events?after=${String(head.body?.['sequence'])}`)
  t.match(body?.['events'], [
    { kind: 'view-thawed', event: { view, name: 'n7' } },
    { kind: 'view-frozen', event: { view, name: 'app' } },
    { kind: 'views-thawed', event: { name: 'n7' } },
    { kind: 'views-frozen', event: { name: 'app' } },
  ])
  t.match(await promote(view, [app1]), { status: 409, body: { errors: { length: 2 } } })
  await thawing('', '?name=app')
  const snapshot = await started.depot.engine.openSnapshot()
  t.teardown(() => snapshot.close())
  t.match(await verifyDepot(snapshot.reader), { findingCount: 0 })
})
