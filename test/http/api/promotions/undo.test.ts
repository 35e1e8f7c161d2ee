import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const started = await startDepot(tap)
const [app1, app2, app3, web1, web2] = (await makeReleases(
  started,
  ...['app/1', 'app/2', 'app/3', 'web/1', 'web/2'].map((name) => `acme/${name}/${STAMP}`),
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]

const [other1, other2] = (await makeReleases(
  started,
  ...['app/1', 'app/2'].map((name) => `other/${name}/${STAMP}`),
)) as [ReleaseRow, ReleaseRow]

let count = 0
async function viewWith(
  rule: 'promoted' | 'highest',
  ...sets: readonly (readonly ReleaseRow[])[]
): Promise<string> {
  count += 1
  const name = `view-${count}`
  await makeView(started, name, rule)
  for (const set of sets) await move(started, 'promote', name, set)
  return name
}

const post = async (view: string, what: 'rollbacks' | 'reverts', body: unknown) =>
  callApi(started, 'POST', `/api/v1/views/${view}/${what}`, { body })
const idents = (list: unknown) => (list as { ident: string }[]).map(({ ident }) => ident)
const stateOf = async (view: string, at?: number) => {
  const query = at === undefined ? '' : `?at=${at}`
  const [content, members] = [
    await callApi(started, 'GET', `/api/v1/views/${view}/content${query}`),
    await callApi(started, 'GET', `/api/v1/views/${view}/members${query}`),
  ]
  return { latest: idents(content.body?.['pointers']), members: idents(members.body?.['members']) }
}

test('a rollback restores a view in a new revision', async (t) => {
  for (const rule of ['promoted', 'highest'] as const) {
    const view = await viewWith(rule, [app1, web1], [app3], [app2, web2])
    await move(started, 'demote', view, [app1])
    const answer = await post(view, 'rollbacks', { to: 1, reason: 'web 2 is broken' })
    t.match(answer, {
      status: 200,
      differences: '',
      headers: { etag: '"5"' },
      body: { revision: 5, changed: true },
    })
    t.strictSame(await stateOf(view), await stateOf(view, 1), rule)
    t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/5`), {
      differences: '',
      body: { act: 'rollback', of: 1, reason: 'web 2 is broken' },
    })
    t.match(await post(view, 'rollbacks', { to: 1 }), { body: { changed: false, revision: 5 } })
  }
})

test('after a rollback, a demotion falls back as it would have before', async (t) => {
  const view = await viewWith('promoted', [app3], [app1], [app2])
  await move(started, 'promote', view, [app3])
  await post(view, 'rollbacks', { to: 3 })
  t.match(await move(started, 'demote', view, [app2]), { pointers: [{ from: app2.ident, to: app1.ident }] })
})

test('a rollback to a time uses the revision of that time, and one to 0 empties the view', async (t) => {
  started.setClock(START + 1_000_000)
  const view = await viewWith('promoted', [app1])
  started.setClock(START + 2_000_000)
  await move(started, 'promote', view, [app2])
  t.match(await post(view, 'rollbacks', { to: new Date(START + 1_500_000).toISOString() }), {
    status: 200,
    body: { pointers: [{ from: app2.ident, to: app1.ident }] },
  })
  t.match(await post(view, 'rollbacks', { to: 0 }), {
    status: 200,
    body: { pointers: [{ from: app1.ident, to: null }] },
  })
  t.strictSame(await stateOf(view), { latest: [], members: [] })
})

test('a rollback that cannot restore latest is refused with every conflict', async (t) => {
  const [old1, old2] = (await makeReleases(started, `acme/old/1/${STAMP}`, `acme/older/1/${STAMP}`)) as [
    ReleaseRow,
    ReleaseRow,
  ]
  const view = await viewWith('highest', [old1, old2, app1])
  for (const release of [old1, old2])
    await started.depot.writer.submit({
      kind: 'deleteRelease',
      input: release,
      actor: { client: 'tests', door: 'cli' },
    })
  t.match(await post(view, 'rollbacks', { to: 1 }), {
    status: 409,
    differences: '',
    body: {
      code: 'conflict',
      errors: [
        { rule: 'conflict', detail: mentions('acme/old/') },
        { rule: 'conflict', detail: mentions('acme/older/') },
      ],
    },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), { body: { revision: 3 } })
})

test('a rollback to an unknown revision and an incomplete body are refused', async (t) => {
  const view = await viewWith('promoted', [app1])
  t.match(await post(view, 'rollbacks', { to: 9 }), { status: 404, differences: '' })
  t.match(await post(view, 'rollbacks', { to: 'yesterday' }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/to' }] },
  })
  t.match(await post(view, 'rollbacks', {}), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/to' }] },
  })
  t.match(await post(view, 'rollbacks', { to: 0, expect_revision: 0 }), { status: 412, differences: '' })
  t.match(await post('unstable', 'rollbacks', { to: 0 }), { status: 409, body: { code: 'refused' } })
})

test('a revert undoes one revision and keeps later changes', async (t) => {
  const view = await viewWith('promoted', [app1, web1], [app2], [web2])
  const answer = await post(view, 'reverts', { revision: 2, reason: 'app 2 leaks' })
  t.match(answer, {
    status: 200,
    differences: '',
    body: {
      revision: 4,
      releases: [{ ident: app2.ident, change: 'removed' }],
      pointers: [{ from: app2.ident, to: app1.ident }],
    },
  })
  t.strictSame((await stateOf(view)).latest, [app1.ident, web2.ident])
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/4`), {
    body: { act: 'revert', of: 2 },
  })
  t.match(
    await post(view, 'reverts', { revision: 4 }),
    { body: { pointers: [{ from: app1.ident, to: app2.ident }] } },
    'and a revert can be reverted',
  )
})

test('demotions and rollbacks can be reverted', async (t) => {
  const view = await viewWith('promoted', [app1], [app2])
  await move(started, 'demote', view, [app2])
  t.match(await post(view, 'reverts', { revision: 3 }), {
    status: 200,
    body: { pointers: [{ from: app1.ident, to: app2.ident }] },
  })
  await post(view, 'rollbacks', { to: 1 })
  t.match(await post(view, 'reverts', { revision: 5 }), {
    status: 200,
    body: { pointers: [{ from: app1.ident, to: app2.ident }] },
  })
})

test('a revert is refused with every conflict if latest has changed since', async (t) => {
  const view = await viewWith('promoted', [app1, web1], [app2, web2], [app3], [web1])
  t.match(await post(view, 'reverts', { revision: 2 }), {
    status: 409,
    differences: '',
    body: {
      code: 'conflict',
      errors: [
        { rule: 'conflict', detail: mentions('acme/app', 'x86_64-linux', app3.ident, 'revision 3') },
        { rule: 'conflict', detail: mentions('acme/web', 'revision 4') },
      ],
    },
  })
  t.match(await post(view, 'reverts', { revision: 9 }), { status: 404, differences: '' })
  t.match(await post(view, 'reverts', { revision: 0 }), { status: 404 })
  t.match(await post(view, 'reverts', {}), { status: 400, differences: '' })
})

test('repeating a rollback with its key repeats the first answer', async (t) => {
  const view = await viewWith('promoted', [app1], [app2])
  const ask = async () =>
    callApi(started, 'POST', `/api/v1/views/${view}/rollbacks`, {
      body: { to: 1 },
      headers: { 'idempotency-key': 'back-1' },
    })
  const first = await ask()
  await move(started, 'promote', view, [app3])
  t.equal((await ask()).text, first.text)
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}`), { body: { revision: 4 } })
})

/** Creates a view of two teams. Each revision moves something of both. */
async function viewOfTwoTeams(rule: 'promoted' | 'highest'): Promise<string> {
  return viewWith(rule, [app1, web1, other1], [app2, web2, other2])
}

test('a restricted rollback or revert moves nothing else, and records the restriction', async (t) => {
  for (const rule of ['promoted', 'highest'] as const) {
    for (const [what, body, act] of [
      ['rollbacks', { to: 1 }, 'rollback'],
      ['reverts', { revision: 2 }, 'revert'],
    ] as const) {
      const view = await viewOfTwoTeams(rule)
      const only = { origin: 'acme', name: 'app' }
      t.match(await post(view, what, { ...body, ...only }), {
        status: 200,
        differences: '',
        body: { revision: 3, pointers: [{ package: 'acme/app', from: app2.ident, to: app1.ident }] },
      })
      t.strictSame((await stateOf(view)).latest, [app1.ident, web2.ident, other2.ident])
      t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/3`), {
        differences: '',
        body: { act, only },
      })
      t.match(
        (await callApi(started, 'GET', `/api/v1/views/${view}/revisions/3?format=text`)).text,
        ' for acme/app ',
      )
      if (act === 'revert')
        t.match(await post(view, what, { ...body, name: 'app' }), { status: 409 }, 'app of acme has moved on')
      t.match(await post(view, 'rollbacks', { to: 1, origin: 'other' }), {
        body: { pointers: [{ package: 'other/app' }] },
      })
      t.strictSame((await stateOf(view)).latest, [app1.ident, web2.ident, other1.ident])
      t.match(await post(view, 'rollbacks', { to: 1, name: 'app' }), { body: { changed: false } })
      t.match(await post(view, 'rollbacks', { to: 1, name: 'nothing' }), { body: { changed: false } })
      t.match(await post(view, 'rollbacks', { to: 1 }), { body: { pointers: [{ package: 'acme/web' }] } })
    }
  }
})

test('undoing one origin needs no rights to others', async (t) => {
  const view = await viewOfTwoTeams('promoted')
  const token = await started.account('acmes')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'acmes', role: 'maintainer' },
    actor: { client: 'tests', door: 'cli' },
  })
  const ask = (what: string, body: unknown) =>
    callApi(started, 'POST', `/api/v1/views/${view}/${what}`, { token, body })
  for (const narrowed of [{}, { origin: 'other' }, { name: 'app' }]) {
    t.match(await ask('rollbacks', { to: 1, ...narrowed }), {
      status: 403,
      body: { code: 'forbidden', detail: mentions('acmes', 'maintainer', 'other') },
    })
    t.match(await ask('reverts', { revision: 2, ...narrowed }), { status: 403 })
  }
  const plan = await ask('plans', { act: 'rollback', to: 1, origin: 'acme' })
  t.match(plan, {
    status: 201,
    differences: '',
    body: { act: 'rollback', of: 1, blocked: [], pointers: { length: 2 } },
  })
  t.match(await callApi(started, 'POST', `/api/v1/plans/${String(plan.body?.['plan'])}/apply`, { token }), {
    status: 200,
    body: { pointers: [{ package: 'acme/app' }, { package: 'acme/web' }] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/3`), {
    body: { only: { origin: 'acme', name: null } },
  })
})

test('an empty or impossible restriction is refused', async (t) => {
  const view = await viewWith('promoted', [app1])
  t.match(await post(view, 'rollbacks', { to: 0, origin: 'No Origin' }), { status: 400, differences: '' })
  for (const field of ['origin', 'name']) {
    t.match(
      await callApi(started, 'POST', `/api/v1/views/${view}/plans`, {
        body: { act: 'demote', releases: [app1], [field]: 'acme' },
      }),
      { status: 400, body: { errors: [{ pointer: `/${field}` }] } },
    )
  }
})
