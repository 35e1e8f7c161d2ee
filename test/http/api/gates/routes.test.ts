import tap, { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { gateScene, refused, STAMP } from '../../../support/views/gate-scene.ts'
import { mentions } from '../../../support/mentions.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { START } from '../../../support/start-depot.ts'

const { started, ssl, curl, app1, app2, web, lost, ci, stranger, viewWith, post, promote, revisionOf } =
  await gateScene(tap)

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
