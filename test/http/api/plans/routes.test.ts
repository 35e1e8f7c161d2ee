import tap, { test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import type { ApiAnswer } from '../../../support/call-api.ts'
import { mentions } from '../../../support/mentions.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

const STAMP = '20260101000000'
const started = await startDepot(tap)
const [ssl, app1, app2, app3, web, lost] = (await makeReleases(
  started,
  `core/openssl/1.1.1/${STAMP}`,
  { name: `acme/app/1.0/${STAMP}`, deps: [`core/openssl/1.1.1/${STAMP}`] },
  `acme/app/2.0/${STAMP}`,
  `acme/app/3.0/${STAMP}`,
  `acme/web/1.0/${STAMP}`,
  { name: `acme/lost/1.0/${STAMP}`, deps: [`core/nowhere/1.0/${STAMP}`] },
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]

async function account(name: string): Promise<string> {
  const token = await started.account(name)
  await callApi(started, 'PUT', `/api/v1/origins/acme/members/${name}`, { body: { role: 'maintainer' } })
  return token
}
const [ci, lead, boss, stranger] = [
  await account('ci'),
  await account('lead'),
  await started.account('boss'),
  await started.account('stranger'),
]
await makeReleases(started, `elsewhere/tool/1.0/${STAMP}`)
await callApi(started, 'PUT', '/api/v1/origins/elsewhere/members/stranger', { body: { role: 'maintainer' } })

let count = 0
async function viewWith(gates: object, ...sets: readonly (readonly ReleaseRow[])[]): Promise<string> {
  count += 1
  const name = `planned-${count}`
  await makeView(started, name, 'promoted')
  for (const set of sets) await move(started, 'promote', name, set)
  await callApi(started, 'PUT', `/api/v1/views/${name}/gates`, { body: gates })
  return name
}

const tokenOf = (answer: ApiAnswer) => String(answer.body?.['plan'])
const plan = async (view: string, body: unknown, token = ci) =>
  callApi(started, 'POST', `/api/v1/views/${view}/plans`, { body, token })
const propose = async (view: string, body: unknown, token = ci) =>
  callApi(started, 'POST', `/api/v1/views/${view}/proposals`, { body, token })
const decide = async (
  answer: ApiAnswer,
  how: 'apply' | 'approve' | 'reject',
  token = ci,
  body?: unknown,
  headers: Record<string, string> = {},
) =>
  callApi(started, 'POST', `/api/v1/plans/${tokenOf(answer)}/${how}`, {
    token,
    headers,
    ...(body !== undefined && { body }),
  })
const revisionOf = async (view: string) =>
  (await callApi(started, 'GET', `/api/v1/views/${view}`)).body?.['revision']

test('a plan shows every effect and changes nothing', async (t) => {
  const view = await viewWith({ closure: 'depot' }, [app2], [web])
  const answer = await plan(view, { releases: [app1, app3, web, lost], reason: 'train' })
  t.match(answer, {
    status: 201,
    differences: '',
    headers: { location: `/api/v1/plans/${tokenOf(answer)}` },
    body: {
      kind: 'draft',
      state: 'open',
      view,
      act: 'promote',
      revision: 2,
      account: 'ci',
      reason: 'train',
      releases: [
        { ident: app1.ident, change: 'joined' },
        { ident: app3.ident, change: 'moved', from: app2.ident },
        { ident: web.ident, change: 'unchanged' },
        { ident: lost.ident, change: 'added' },
      ],
      pointers: [
        { package: 'acme/app', from: app2.ident, to: app3.ident },
        { package: 'acme/lost', from: null, to: lost.ident },
      ],
      blocked: [{ rule: 'closure', chain: [lost.ident, `core/nowhere/1.0/${STAMP}`] }],
      missing: [{ ident: `core/nowhere/1.0/${STAMP}`, chain: [lost.ident, `core/nowhere/1.0/${STAMP}`] }],
      notes: [],
    },
  })
  t.equal(await revisionOf(view), 2)
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(answer)}`), {
    status: 200,
    differences: '',
    body: answer.body,
  })
  t.match(
    await decide(answer, 'apply'),
    { status: 409, differences: '', body: { code: 'refused' } },
    'a blocked plan is refused',
  )
})

test('a plan marks a downgrade and says what it means for Supervisors', async (t) => {
  const view = await viewWith({}, [app2])
  t.match(await plan(view, { releases: [app1] }), {
    body: { releases: [{ change: 'downgraded', from: app2.ident }], notes: [/track-channel/] },
  })
})

test('applying a plan does exactly that, once', async (t) => {
  const view = await viewWith({}, [app1])
  const planned = await plan(view, { releases: [app2, web], reason: 'train' })
  const applied = await decide(planned, 'apply')
  t.match(applied, {
    status: 200,
    differences: '',
    headers: { etag: '"2"' },
    body: { revision: 2, pointers: planned.body?.['pointers'], releases: planned.body?.['releases'] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/2`), {
    body: { reason: 'train', actor: 'ci' },
  })
  t.match(await decide(planned, 'apply'), {
    status: 409,
    differences: '',
    body: { code: 'conflict', detail: mentions('revision 2', view) },
  })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(planned)}`), {
    differences: '',
    body: { state: 'applied', decided_by: 'ci', made_revision: 2 },
  })
})

test('applying a plan again with its key repeats the first answer', async (t) => {
  const view = await viewWith({})
  const planned = await plan(view, { releases: [web] })
  const first = await decide(planned, 'apply', ci, undefined, { 'idempotency-key': 'apply-1' })
  t.equal((await decide(planned, 'apply', ci, undefined, { 'idempotency-key': 'apply-1' })).text, first.text)
  t.equal(await revisionOf(view), 1)
})

test('of two plans on one revision one wins, and the other is answered with a new plan', async (t) => {
  const view = await viewWith({}, [app1])
  const [one, two] = [await plan(view, { releases: [app2] }), await plan(view, { releases: [app3] })]
  const [first, second] = await Promise.all([decide(one, 'apply'), decide(two, 'apply')])
  t.equal(first.status, 200)
  t.match(second, {
    status: 412,
    differences: '',
    body: {
      code: 'stale_plan',
      plan: {
        revision: 2,
        state: 'open',
        releases: [{ ident: app3.ident, change: 'moved', from: app2.ident }],
      },
    },
  })
  const next = { body: second.body?.['plan'] } as ApiAnswer
  t.match(await decide(next, 'apply'), { status: 200, body: { revision: 3 } })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(two)}`), { body: { state: 'stale' } })
})

test('a stale plan as text names the plan that replaces it', async (t) => {
  const view = await viewWith({}, [app1])
  const planned = await plan(view, { releases: [app2] })
  await move(started, 'promote', view, [app3])
  const { status, text } = await decide(planned, 'apply', ci, undefined, { accept: 'text/plain' })
  t.equal(status, 412)
  const [, next = ''] = /^412 stale_plan: .* the new plan (\S+) shows /.exec(text) ?? []
  t.match(await callApi(started, 'GET', `/api/v1/plans/${next}`), { status: 200, body: { state: 'open' } })
})

test('a set from a view is the one at the revision of the plan', async (t) => {
  const [from, to] = [await viewWith({}, [app1]), await viewWith({})]
  const planned = await plan(to, { from: { view: from } })
  t.match(planned, { body: { source: { view: from, revision: 1 } } })
  await move(started, 'promote', from, [app2])
  t.match(await decide(planned, 'apply'), { status: 200, body: { releases: [{ ident: app1.ident }] } })
})

test('a freeze after the plan makes it stale, and the new plan shows the freeze', async (t) => {
  const view = await viewWith({})
  const planned = await plan(view, { releases: [web] })
  await callApi(started, 'PUT', `/api/v1/views/${view}/freeze`, { body: { reason: 'audit' } })
  t.match(await decide(planned, 'apply'), {
    status: 412,
    differences: '',
    body: { plan: { blocked: [{ rule: 'freeze', detail: mentions(view, 'admin', 'audit') }] } },
  })
})

test('a release that is deleted after the plan is a conflict that names it', async (t) => {
  const [gone] = (await makeReleases(started, `acme/gone/1.0/${STAMP}`)) as [ReleaseRow]
  const view = await viewWith({})
  const planned = await plan(view, { releases: [gone] })
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: gone,
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await decide(planned, 'apply'), {
    status: 409,
    differences: '',
    body: { code: 'conflict', detail: /acme\/gone\/1.0/ },
  })
  await makeReleases(started, `acme/gone/1.0/${STAMP}`)
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(planned)}`), { status: 200 })
})

test('rollbacks, reverts and demotions are planned too', async (t) => {
  const view = await viewWith({}, [app1], [app2], [web])
  t.match(await plan(view, { act: 'rollback', to: 1 }), {
    differences: '',
    body: { act: 'rollback', of: 1, pointers: [{ to: app1.ident }, { to: null }] },
  })
  t.match(await plan(view, { act: 'demote', releases: [web] }), {
    differences: '',
    body: { act: 'demote', releases: [{ change: 'removed' }] },
  })
  const planned = await plan(view, { act: 'revert', revision: 2 })
  t.match(await decide(planned, 'apply'), {
    status: 200,
    body: { pointers: [{ from: app2.ident, to: app1.ident }] },
  })
  t.match(await plan(view, { act: 'revert', revision: 2 }), {
    body: { blocked: [{ rule: 'conflict', detail: mentions('acme/app') }] },
  })
})

test('a draft expires, and an unknown plan is not found', async (t) => {
  const view = await viewWith({})
  const planned = await plan(view, { releases: [web] })
  started.setClock(START + 100_000_000)
  t.match(await decide(planned, 'apply'), {
    status: 409,
    differences: '',
    body: { code: 'conflict' },
  })
  await plan(view, { releases: [web] })
  t.match(await decide(planned, 'apply'), { status: 404, differences: '' })
  t.match(await callApi(started, 'GET', '/api/v1/plans/nonsense'), { status: 404, differences: '' })
})

test('an account has at most a hundred drafts', async (t) => {
  const view = await viewWith({})
  const first = await plan(view, { releases: [web] })
  await Promise.all(Array.from({ length: 100 }, async () => plan(view, { releases: [web] })))
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(first)}`), { status: 404 })
})

test('a plan is visible only to callers who see all its releases, and needs rights to be applied', async (t) => {
  const [hidden] = (await makeReleases(started, `acme/hidden/1.0/${STAMP}`)) as [ReleaseRow]
  await setVisibility(started, hidden.ident, 'private')
  const view = await viewWith({})
  const planned = await plan(view, { releases: [hidden] })
  for (const token of [stranger, boss])
    t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(planned)}`, { token }), { status: 404 })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(planned)}`, { token: null }), {
    status: 401,
  })
  t.match(await decide(planned, 'apply', stranger), { status: 404 })
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: hidden,
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(
    await callApi(started, 'GET', `/api/v1/plans/${tokenOf(planned)}`, { token: stranger }),
    { status: 404 },
    'nor once that is deleted',
  )
  const open = await plan(view, { releases: [web] })
  t.match(await decide(open, 'apply', stranger), {
    status: 403,
    differences: '',
    body: { errors: [{ rule: 'rights' }] },
  })
  t.match(await plan(view, { releases: [web] }, stranger), { status: 403 })
  t.match(await propose(view, { from: { view: 'unstable', name: 'openssl' } }), {
    status: 403,
    differences: '',
    body: { errors: [{ rule: 'rights', detail: mentions('ci', 'maintainer', 'core') }] },
  })
})

test('a view with approval accepts no change by one person alone', async (t) => {
  const view = await viewWith({ approval: { approvers: ['boss'] } })
  t.match(
    await callApi(started, 'POST', `/api/v1/views/${view}/promotions`, {
      body: { releases: [web] },
      token: ci,
    }),
    {
      status: 409,
      differences: '',
      body: {
        errors: [
          {
            rule: 'approval',
          },
        ],
      },
    },
  )
  const proposed = await propose(view, { releases: [web], reason: 'train' })
  t.match(proposed, { status: 201, differences: '', body: { kind: 'proposal', state: 'open' } })
  t.match(await decide(proposed, 'approve', ci), {
    status: 409,
    body: { code: 'refused', detail: mentions('ci') },
  })
  t.match(await decide(proposed, 'approve', lead), {
    status: 409,
    body: { code: 'refused', detail: mentions('lead', view) },
  })
  t.match(await decide(proposed, 'apply', lead), { status: 409, differences: '', body: { code: 'conflict' } })
  t.match(
    await decide(proposed, 'approve', boss),
    { status: 200, differences: '', body: { revision: 1 } },
    'a named approver needs no role',
  )
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/revisions/1`), {
    differences: '',
    body: { actor: 'boss', proposer: 'ci', reason: 'train' },
  })
})

test('without named approvers, anyone else with the right to change may approve', async (t) => {
  const view = await viewWith({ approval: {} })
  const proposed = await propose(view, { releases: [web] })
  t.match(await decide(proposed, 'approve', stranger), { status: 403 })
  t.match(await decide(proposed, 'approve', lead), { status: 200 })
})

test('a proposal stays valid while its effect is the same', async (t) => {
  const view = await viewWith({ approval: {} })
  const [one, two] = [await propose(view, { releases: [app1] }), await propose(view, { releases: [app2] })]
  const other = await propose(view, { releases: [web] })
  t.match(await decide(other, 'approve', lead), { status: 200 })
  t.match(await decide(one, 'approve', lead), { status: 200, body: { revision: 2 } })
  t.match(await decide(two, 'approve', lead), {
    status: 412,
    differences: '',
    body: { code: 'stale_plan', plan: { releases: [{ change: 'moved', from: app1.ident }] } },
  })
  t.match(await decide(two, 'approve', lead), {
    status: 409,
    body: { code: 'conflict', detail: mentions('stale') },
  })
})

test('a proposal can be rejected by its author or an approver, and expires', async (t) => {
  const view = await viewWith({ approval: { approvers: ['boss'], expires_seconds: 60 } })
  const [one, two, three] = [
    await propose(view, { releases: [app1] }),
    await propose(view, { releases: [app2] }),
    await propose(view, { releases: [web] }),
  ]
  t.match(await decide(one, 'reject', lead), { status: 403, differences: '' })
  t.match(await decide(one, 'reject', boss, { reason: 'not now' }), {
    status: 200,
    differences: '',
    body: { state: 'rejected', decided_by: 'boss' },
  })
  t.match(await decide(two, 'reject'), {
    status: 200,
    differences: '',
    body: { state: 'rejected', decided_by: 'ci' },
  })
  t.match(await decide(one, 'approve', boss), { status: 409 })
  started.setClock(started.depot.now() + 61_000)
  t.match(await decide(three, 'approve', boss), { status: 409, body: { code: 'conflict' } })
  t.equal(await revisionOf(view), 0)
})

test('proposals are listed with their approvers and decisions', async (t) => {
  const view = await viewWith({ approval: {} })
  const [one, two] = [
    await propose(view, { releases: [app1], reason: 'first' }),
    await propose(view, { releases: [web], reason: 'second' }),
  ]
  await decide(one, 'reject')
  const open = await callApi(started, 'GET', `/api/v1/views/${view}/proposals`, { token: lead })
  t.match(open, { status: 200, differences: '', body: { proposals: [{ plan: tokenOf(two) }], next: null } })
  const all = await callApi(started, 'GET', `/api/v1/views/${view}/proposals?state=all&limit=1`, {
    token: lead,
  })
  t.match(all, { differences: '', body: { proposals: [{ plan: tokenOf(two) }] } })
  t.match(await callApi(started, 'GET', String(all.body?.['next']), { token: lead }), {
    differences: '',
    body: { proposals: [{ plan: tokenOf(one), state: 'rejected' }], next: null },
  })
  t.match(
    (await callApi(started, 'GET', `/api/v1/views/${view}/proposals?format=text`)).text,
    /^PROPOSAL +STATE +ACT .*\n\S+ +open +promote +1 +ci .* second\n$/,
  )
})

test('a plan is available as text in columns', async (t) => {
  const view = await viewWith({ closure: 'depot' }, [app2])
  const answer = await callApi(started, 'POST', `/api/v1/views/${view}/plans?format=text`, {
    body: { releases: [app1, lost], with_deps: true },
  })
  t.match(answer, { status: 201, differences: '' })
  t.match(
    answer.text,
    new RegExp(
      `^draft \\S+, open: promote, ${view} at revision 1\nby admin, until .*Z\n\nCHANGE +RELEASE .*\nadded +${ssl.ident} +x86_64-linux +- +dependency\ndowngraded +${app1.ident} .*\n`,
    ),
  )
  t.match(
    answer.text,
    /\n\nblocked by closure: acme\/lost\S+ → core\/nowhere\S+ is not in the depot\n\nmissing: acme\/lost\S+ → core\/nowhere\S+ \(x86_64-linux\)\n\nlatest moves down/,
  )
})

test('a proposal must change something', async (t) => {
  const view = await viewWith({}, [web])
  t.match(await propose(view, { from: { view: 'rehearsal' } }, stranger), {
    status: 409,
    differences: '',
    body: { code: 'refused', detail: mentions(view) },
  })
  t.match(await propose(view, { releases: [web] }), { status: 409 })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/proposals?state=all`), {
    body: { proposals: [] },
  })
})

const isTold = ({ text }: ApiAnswer) => /mix\/2|only/.test(text)

test('neither plans nor errors name releases that the caller may not see', async (t) => {
  const [open, secret, only] = (await makeReleases(
    started,
    `acme/mix/1.0/${STAMP}`,
    `acme/mix/2.0/${STAMP}`,
    `acme/only/1.0/${STAMP}`,
  )) as [ReleaseRow, ReleaseRow, ReleaseRow]
  for (const { ident } of [secret, only]) await setVisibility(started, ident, 'private')
  const [from, view] = [await viewWith({}, [open]), await viewWith({ downgrade: 'refuse' }, [secret, only])]
  for (const body of [
    { from: { view: from } },
    { from: { view: from }, exact: true },
    { act: 'rollback', to: 0 },
    { act: 'revert', revision: 1 },
  ]) {
    const answer = await plan(view, body, stranger)
    t.match(
      { ...answer, told: isTold(answer) },
      { status: 403, differences: '', told: false },
      JSON.stringify(body),
    )
  }
  for (const [what, body] of [
    ['promotions', { from: { view: from } }],
    ['promotions', { from: { view: from }, exact: true }],
    ['rollbacks', { to: 0 }],
  ] as const) {
    const answer = await callApi(started, 'POST', `/api/v1/views/${view}/${what}`, { body, token: stranger })
    t.match({ ...answer, told: isTold(answer) }, { status: 403, differences: '', told: false }, what)
  }
  await move(started, 'demote', view, [secret])
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: secret,
    actor: { client: 'tests', door: 'cli' },
  })
  const answer = await callApi(started, 'POST', `/api/v1/views/${view}/rollbacks`, {
    body: { to: 1 },
    token: stranger,
  })
  t.match(
    { ...answer, told: isTold(answer) },
    { status: 409, differences: '', told: false },
    'what was deleted',
  )
  t.ok(
    isTold(await callApi(started, 'POST', `/api/v1/views/${view}/rollbacks`, { body: { to: 1 }, token: ci })),
  )
})

test('a release that is hidden for another target does not hide a plan', async (t) => {
  const ident = `acme/ported/1.0/${STAMP}`
  await makeReleases(started, ident)
  await setVisibility(started, ident, 'private')
  await makeReleases(started, `${ident} for x86_64-windows`)
  const view = await viewWith({ promoters: ['stranger'] })
  const releases = [{ ident, target: 'x86_64-windows' }]
  t.match(await plan(view, { releases }, stranger), { status: 201, differences: '' })
})

test('a stale draft of somebody else is not replaced without the right to do so', async (t) => {
  const view = await viewWith({}, [app1])
  const drafted = await plan(view, { releases: [app2] })
  await move(started, 'promote', view, [app3])
  t.match(await decide(drafted, 'apply', boss), {
    status: 403,
    differences: '',
    body: { detail: mentions('draft', 'ci') },
  })
})

test('the replacement of a stale plan is shown to callers who see its releases', async (t) => {
  const [low, high] = (await makeReleases(started, `acme/veil/1.0/${STAMP}`, `acme/veil/2.0/${STAMP}`)) as [
    ReleaseRow,
    ReleaseRow,
  ]
  await setVisibility(started, high.ident, 'private')
  const view = await viewWith({ promoters: ['ci', 'boss'] })
  const drafted = await plan(view, { releases: [low] })
  await move(started, 'promote', view, [high])
  const answer = await decide(drafted, 'apply', boss)
  t.match(answer, { status: 412, differences: '', body: { code: 'stale_plan' } })
  t.notOk(answer.text.includes(high.ident))
})

test('a proposal is invisible to callers who may not see what blocks it', async (t) => {
  const [leaf, user] = (await makeReleases(started, `acme/leaf/1.0/${STAMP}`, {
    name: `acme/user/1.0/${STAMP}`,
    deps: [`acme/leaf/1.0/${STAMP}`],
  })) as [ReleaseRow, ReleaseRow]
  await setVisibility(started, user.ident, 'private')
  const view = await viewWith({ closure: 'view' }, [leaf, user])
  const proposed = await propose(view, { act: 'demote', releases: [leaf] })
  t.match(proposed, {
    status: 201,
    differences: '',
    body: { blocked: [{ rule: 'closure', detail: mentions(user.ident, view, leaf.ident) }] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/views/${view}/proposals`, { token: stranger }), {
    status: 200,
    body: { proposals: [] },
  })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(proposed)}`, { token: stranger }), {
    status: 404,
  })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(proposed)}`, { token: lead }), {
    status: 200,
  })
})

test('without named approvers, every account that may approve may also reject', async (t) => {
  const view = await viewWith({ approval: {} })
  const proposed = await propose(view, { releases: [web] })
  t.match(await decide(proposed, 'reject', stranger), { status: 403, differences: '' })
  t.match(await decide(proposed, 'reject', lead), {
    status: 200,
    differences: '',
    body: { state: 'rejected', decided_by: 'lead' },
  })
})

test('applying a plan again with its key repeats the answer, even after drafts were deleted', async (t) => {
  const view = await viewWith({})
  const planned = await plan(view, { releases: [web] })
  const first = await decide(planned, 'apply', ci, undefined, { 'idempotency-key': 'apply-late' })
  started.setClock(started.depot.now() + 7_200_000)
  await plan(view, { releases: [app1] })
  t.equal(
    (await decide(planned, 'apply', ci, undefined, { 'idempotency-key': 'apply-late' })).text,
    first.text,
  )
})

test('approving again with its key repeats the answer, and only to a caller who may still approve', async (t) => {
  const view = await viewWith({ approval: { approvers: ['boss'] } })
  const proposed = await propose(view, { releases: [web] })
  const approve = () => decide(proposed, 'approve', boss, undefined, { 'idempotency-key': 'approve-1' })
  const first = await approve()
  t.match(first, { status: 200, body: { revision: 1 } })
  t.equal((await approve()).text, first.text)
  await callApi(started, 'PUT', `/api/v1/views/${view}/gates`, {
    body: { approval: { approvers: ['lead'] } },
  })
  t.match(await approve(), { status: 403, body: { code: 'forbidden' } })
})

test('approving without the right does not end a stale proposal', async (t) => {
  const view = await viewWith({ approval: {} }, [app1])
  const proposed = await propose(view, { releases: [app2] })
  await move(started, 'promote', view, [app2])
  t.match(await decide(proposed, 'approve', stranger), { status: 403, differences: '' })
  t.match(await callApi(started, 'GET', `/api/v1/plans/${tokenOf(proposed)}`), { body: { state: 'open' } })
  t.match(await decide(proposed, 'approve', lead), { status: 412, differences: '' })
})

test('fields that an act does not use are refused', async (t) => {
  const view = await viewWith({}, [web])
  t.match(await plan(view, { act: 'rollback', to: 0, releases: [app1], exact: true }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/releases' }, { pointer: '/exact' }] },
  })
  t.match(await plan(view, { act: 'demote', releases: [web], with_deps: true }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/with_deps' }] },
  })
  t.match(await plan(view, { releases: [app1], to: 0 }), {
    status: 400,
    differences: '',
    body: { errors: [{ pointer: '/to' }] },
  })
})

test('a view has at most a hundred proposals', async (t) => {
  const view = await viewWith({ approval: {} })
  const proposed = await Promise.all(
    Array.from({ length: 101 }, async () => propose(view, { releases: [web] })),
  )
  t.equal(proposed.filter(({ status }) => status === 201).length, 100)
  const [late] = proposed.filter(({ status }) => status !== 201)
  t.match(late, {
    status: 409,
    differences: '',
    body: { code: 'conflict', detail: mentions('100', view) },
  })
  const [first] = proposed
  if (first !== undefined) await decide(first, 'reject')
  t.match(await propose(view, { releases: [web] }), { status: 201 })
})

test('a caller without a maintainer role cannot make a plan', async (t) => {
  const view = await viewWith({})
  for (const body of [{ from: { view: 'unstable' } }, { act: 'rollback', to: 0 }])
    t.match(await plan(view, body, boss), {
      status: 403,
      differences: '',
      body: { code: 'forbidden', detail: mentions('boss', 'maintainer') },
    })
})

test('what is made with an idempotency key is made once, and every answer shows it', async (t) => {
  const view = await viewWith({}, [app1])
  const change = { releases: [app2] }
  const webhook = { name: 'once', url: 'https://9.9.9.9/once', filter: { kinds: ['promotion'] } }
  for (const [path, field, body] of [
    ['views', 'name', { name: 'once' }],
    [`views/${view}/plans`, 'plan', change],
    [`views/${view}/proposals`, 'plan', change],
    [`views/${view}/previews`, 'name', { name: 'once.next', plan: tokenOf(await plan(view, change)) }],
    ['origins/acme/invitations', 'id', { account: 'stranger' }],
    ['webhooks', 'secret', webhook],
    ['webhooks/once/secrets', 'secret'],
    ['depot/keys', 'keys'],
  ] as const) {
    const make = async (key: string) =>
      callApi(started, 'POST', `/api/v1/${path}`, { body, headers: { 'idempotency-key': key } })
    const first = await make(path)
    t.match(first, { status: 201, differences: '' }, path)
    const entries = await countEntries()
    const second = await make(path)
    t.match(second, { status: 201, differences: '' }, path)
    t.strictSame(second.body?.[field], first.body?.[field], path)
    t.equal(await countEntries(), entries, path)
    if (path !== 'views')
      t.match(
        await make('views'),
        { status: 422, differences: '', body: { code: 'idempotency_mismatch' } },
        path,
      )
  }
})

async function countEntries(): Promise<number> {
  const query = started.depot.db.selectFrom('ledger')
  return (await query.select((eb) => eb.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count
}
