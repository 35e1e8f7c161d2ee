import tap, { test } from 'tap'
import type { Scope } from '../../../../src/access/access.ts'
import { generateToken, hashToken } from '../../../../src/accounts/token.ts'
import { callApi } from '../../../support/call-api.ts'
import type { ApiAnswer } from '../../../support/call-api.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'

// Change records: who may write them, who may read them, and what a repeated or a late request does.

const OPERATOR = { client: 'tests', door: 'cli' } as const
const STAMP = '20260101120000'
const APP = `acme/app/1.0.0/${STAMP}`
const REBUILT = `acme/app/1.0.0/20260102120000`
const NEXT = `acme/app/2.0.0/${STAMP}`
const SECRET = `acme/secret/1.0.0/${STAMP}`
const OTHER = `other/lib/1.0.0/${STAMP}`
const TARGET = 'x86_64-linux'

const started = await startDepot(tap)
const { writer } = started.depot
const member = await started.account('member')
const stranger = await started.account('stranger')
for (const name of ['acme', 'other'])
  await writer.submit({ kind: 'createOrigin', input: { name, ownerId: 1 }, actor: OPERATOR })
await writer.submit({
  kind: 'setMember',
  input: { origin: 'acme', account: 'member', role: 'member' },
  actor: OPERATOR,
})
await makeReleases(started, APP, REBUILT, NEXT, SECRET, OTHER)
await setVisibility(started, SECRET, 'private')

type Fields = Record<string, unknown>

async function call(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: Fields,
  token: string | null = member,
): Promise<ApiAnswer> {
  return callApi(started, method, `/api/v1/changes${path}`, { token, ...(body && { body }) })
}

function itemsOf({ body }: ApiAnswer, field: string): Fields[] {
  return (body?.[field] ?? []) as Fields[]
}

function later(seconds: number): void {
  started.setClock(started.depot.now() + seconds * 1_000)
}

async function narrowed(scope: Scope): Promise<string> {
  const token = generateToken()
  await writer.submit({
    kind: 'issueToken',
    input: { account: 'member', hash: hashToken(token), label: 'narrowed', scope },
    actor: OPERATOR,
  })
  return token
}

async function record(change: string, more: Fields = {}): Promise<string> {
  const { body } = await call('POST', '', { project: 'acme/app', change, commit: change, ...more })
  return String(body?.['id'])
}

test('a change is recorded once, and a repeated request gets the recorded one', async (t) => {
  const fields = {
    project: 'acme/app',
    change: 'first',
    commit: 'abc',
    branch: 'main',
    url: 'https://git.example.com/abc',
    targets: [TARGET],
  }
  const made = await call('POST', '', fields)
  t.match(made, { status: 201, differences: '', body: { ...fields, by: 'member', state: 'recorded' } })
  const { id } = made.body ?? {}
  t.equal(made.headers['location'], `/api/v1/changes/${String(id)}`)
  const again = await call('POST', '', { ...fields, branch: 'other' })
  t.match(again, { status: 200, differences: '' })
  t.strictSame(again.body, made.body)
  const other = await call('POST', '', { ...fields, commit: 'def' })
  t.match(other, { status: 409, differences: '', body: { code: 'conflict', change: id } })
  t.strictSame((await call('GET', `/${String(id)}`)).body, made.body)
})

test('releases are added once, and another one of the same package and target only as a rebuild', async (t) => {
  const id = await record('releases')
  const added = await call('POST', `/${id}/releases`, { release: APP })
  t.match(added, {
    status: 201,
    differences: '',
    body: { releases: [{ release: APP, target: TARGET, signer: /./, replaced: false }] },
  })
  const again = await call('POST', `/${id}/releases`, { release: APP, target: TARGET })
  t.match(again, { status: 200, differences: '' })
  t.strictSame(again.body, added.body)
  t.match(await call('POST', `/${id}/releases`, { release: REBUILT }), {
    status: 409,
    differences: '',
    body: { code: 'conflict', recorded: { release: APP, target: TARGET } },
  })
  const rebuilt = await call('POST', `/${id}/releases`, { release: REBUILT, rebuild: true })
  t.match(rebuilt, {
    status: 201,
    body: {
      releases: [
        { release: APP, replaced: true },
        { release: REBUILT, replaced: false },
      ],
    },
  })
  t.match(await call('POST', `/${id}/releases`, { release: APP, rebuild: true }), { status: 200 })
  for (const [release, status] of [
    [OTHER, 400],
    [`acme/app/9.9.9/${STAMP}`, 404],
    ['acme/app', 400],
  ])
    t.match(await call('POST', `/${id}/releases`, { release }), { status, differences: '' }, String(release))
})

test('the last report of a phase in a view counts', async (t) => {
  const id = await record('phases')
  const report = (fields: Fields) => call('POST', `/${id}/phases`, fields)
  t.match(await report({ phase: 'unit', status: 'running', job: 'https://ci.example.com/1' }), {
    status: 200,
    differences: '',
    body: { state: 'running', phases: [{ phase: 'unit', view: null, status: 'running' }] },
  })
  t.match((await report({ phase: 'unit', status: 'failed', message: 'two of 31' })).body, {
    state: 'failed',
    phases: [{ status: 'failed', job: null, message: 'two of 31', by: 'member', covers: 0 }],
  })
  await report({ phase: 'unit', status: 'passed' })
  await report({ phase: 'security', status: 'not_configured' })
  await report({ phase: 'smoke', view: 'acceptance', status: 'passed' })
  const last = await report({ phase: 'smoke', view: 'union', status: 'skipped' })
  const { body } = last
  t.match(body, { state: 'passed' })
  t.strictSame(
    itemsOf(last, 'phases').map(({ phase, view, status }) => [phase, view, status]),
    [
      ['unit', null, 'passed'],
      ['security', null, 'not_configured'],
      ['smoke', 'acceptance', 'passed'],
      ['smoke', 'union', 'skipped'],
    ],
  )
  const events = '/api/v1/events?origin=acme&view=union&kind=phase-reported'
  t.match((await callApi(started, 'GET', events, { token: member })).body, {
    events: [{ event: { record: id, phase: 'smoke', view: 'union', status: 'skipped' } }],
  })
  const head = started.depot.follower.head.sequence
  t.match(await report({ phase: 'smoke', view: 'union', status: 'skipped' }), {
    status: 200,
    body: body ?? {},
  })
  t.equal(started.depot.follower.head.sequence, head, 'a repeated report writes nothing')
})

test('reports name a known view where the phase runs in one, and a phase with an allowed name', async (t) => {
  const id = await record('names')
  for (const [fields, status] of [
    [{ phase: 'smoke' }, 400],
    [{ phase: 'unit', view: 'acceptance' }, 400],
    [{ phase: 'smoke', view: 'nowhere' }, 404],
    [{ phase: 'Smoke!', view: 'acceptance' }, 400],
    [{ phase: 'load-test', view: 'acceptance' }, 200],
    [{ phase: 'load-test' }, 200],
    [{ phase: 'unit', job: 'javascript:alert(1)' }, 400],
    [{ phase: 'unit', message: 'x'.repeat(2_001) }, 400],
  ] as const)
    t.match(
      await call('POST', `/${id}/phases`, { status: 'passed', ...fields }),
      { status, differences: '' },
      JSON.stringify(fields).slice(0, 80),
    )
})

test('one holder at a time has the lease of a phase, and fences rise', async (t) => {
  const id = await record('leases')
  const phase = { phase: 'smoke', view: 'acceptance' }
  const take = (holder: string, more: Fields = {}) =>
    call('POST', `/${id}/lease`, { ...phase, holder, ...more })
  const first = await take('job 1')
  t.match(first, { status: 200, differences: '', body: { fence: Number, expires_at: String } })
  const { fence } = first.body ?? {}
  t.match(await take('job 2'), {
    status: 409,
    differences: '',
    body: { code: 'phase_running', holder: 'job 1', expires_at: String },
  })
  t.match(await call('POST', `/${id}/lease`, { ...phase, view: 'union', holder: 'job 2' }), { status: 200 })
  t.match(await call('PUT', `/${id}/lease`, { ...phase, fence }), { status: 200, differences: '' })

  const second = await take('job 2', { takeover: true })
  t.ok(Number(second.body?.['fence']) > Number(fence))
  const lost = { status: 409, differences: '', body: { code: 'lease_lost' } }
  t.match(await call('PUT', `/${id}/lease`, { ...phase, fence }), lost)
  t.match(await call('POST', `/${id}/phases`, { ...phase, status: 'passed', fence }), lost)
  t.match(await call('DELETE', `/${id}/lease?phase=smoke&view=acceptance&fence=${String(fence)}`), {
    status: 204,
  })
  t.match(await take('job 3'), { status: 409 }, 'a lost lease ends no other')
  const held = { ...phase, fence: second.body?.['fence'] }
  t.match(await call('POST', `/${id}/phases`, { ...held, status: 'passed' }), { status: 200 })
  t.match(await call('DELETE', `/${id}/lease?phase=smoke&view=acceptance&fence=${String(held.fence)}`), {
    status: 204,
  })
  const third = await take('job 3')
  t.ok(Number(third.body?.['fence']) > Number(held.fence))

  later(61)
  t.match(await call('PUT', `/${id}/lease`, { ...phase, fence: third.body?.['fence'] }), { status: 200 })
  later(61)
  t.match(await take('job 4'), { status: 200 }, 'the lease has expired')
})

test('a renewal that comes after the end of a lease does not take the phase again', async (t) => {
  const id = await record('ended')
  const taken = await call('POST', `/${id}/lease`, { phase: 'unit', holder: 'job 1' })
  const fence = taken.body?.['fence']
  await call('DELETE', `/${id}/lease?phase=unit&fence=${String(fence)}`)
  t.match(await call('PUT', `/${id}/lease`, { phase: 'unit', fence }), {
    status: 409,
    differences: '',
    body: { code: 'lease_lost', detail: /was ended/ },
  })
  t.match(await call('POST', `/${id}/lease`, { phase: 'unit', holder: 'job 2' }), { status: 200 })
})

test('a newer change supersedes one that is the latest nowhere', async (t) => {
  const older = await record('older', { project: 'acme/line' })
  const newer = await record('newer', { project: 'acme/line' })
  const shown = async (id: string) => (await call('GET', `/${id}`)).body
  await call('POST', `/${older}/releases`, { release: APP })
  await call('POST', `/${newer}/releases`, { release: NEXT })
  t.match(await shown(older), { newer, superseded_by: null, delivered: [] })
  t.match(await shown(newer), { newer: null, superseded_by: null })
  await move(started, 'promote', 'acceptance', [{ ident: NEXT, target: TARGET }])
  t.match(await shown(older), { newer, superseded_by: newer })
  t.match(await shown(newer), { delivered: ['acceptance'] })
  await move(started, 'promote', 'union', [{ ident: APP, target: TARGET }])
  t.match(await shown(older), { newer, superseded_by: null, delivered: ['union'] })
})

test('a change is visible as its releases are', async (t) => {
  const id = await record('visible', { project: 'acme/seen' })
  const seen = async (token: string | null) => {
    const { status } = await call('GET', `/${id}`, undefined, token)
    const list = await call('GET', '?project=acme/seen', undefined, token)
    const events = await callApi(started, 'GET', '/api/v1/events?kind=change-recorded', { token })
    return [status, list.text.includes('acme/seen'), events.text.includes('acme/seen')]
  }
  const hidden = [404, false, false]
  const shown = [200, true, true]
  t.strictSame([await seen(member), await seen(stranger), await seen(null)], [shown, hidden, hidden])
  await call('POST', `/${id}/releases`, { release: APP })
  t.strictSame([await seen(member), await seen(stranger), await seen(null)], [shown, shown, shown])
  await call('POST', `/${id}/releases`, { release: SECRET })
  t.strictSame([await seen(member), await seen(stranger), await seen(null)], [shown, hidden, hidden])
  t.match(await call('POST', `/${id}/phases`, { phase: 'unit', status: 'passed' }, stranger), { status: 404 })
})

test('recording and reporting need upload in the origin of the project', async (t) => {
  const id = await record('rights')
  await call('POST', `/${id}/releases`, { release: APP })
  const requests = [
    ['POST', '', { project: 'acme/app', change: 'other', commit: 'c' }],
    ['POST', `/${id}/releases`, { release: NEXT, rebuild: true }],
    ['POST', `/${id}/phases`, { phase: 'unit', status: 'passed' }],
    ['POST', `/${id}/lease`, { phase: 'unit', holder: 'job' }],
    ['PUT', `/${id}/lease`, { phase: 'unit', fence: 1 }],
    ['DELETE', `/${id}/lease?phase=unit&fence=1`, undefined],
  ] as const
  const callers: [string | null, number][] = [
    [null, 401],
    [stranger, 403],
    [await narrowed({ actions: ['read', 'promote', 'manage'] }), 403],
    [await narrowed({ origins: ['other'] }), 403],
  ]
  for (const [token, status] of callers)
    for (const [method, path, body] of requests)
      t.match(await call(method, path, body, token), { status, differences: '' }, `${method} ${path}`)
  const toUnion = await narrowed({ views: ['union'] })
  const smoke = (view: string) =>
    call('POST', `/${id}/phases`, { phase: 'smoke', view, status: 'passed' }, toUnion)
  t.match(await smoke('acceptance'), { status: 403 })
  t.match(await smoke('union'), { status: 200 })
  const toUpload = await narrowed({ actions: ['upload'] })
  t.match(await call('POST', `/${id}/phases`, { phase: 'unit', status: 'passed' }, toUpload), {
    status: 200,
    body: { id },
  })
})

test('lists are filtered and cut into pages', async (t) => {
  for (const change of ['one', 'two', 'three']) await record(change, { project: 'acme/list' })
  const [last] = itemsOf(await call('GET', '?project=acme/list&limit=1'), 'changes')
  await call('POST', `/${String(last?.['id'])}/phases`, {
    phase: 'smoke',
    view: 'rehearsal',
    status: 'failed',
  })
  const names = async (query: string) => {
    const answer = await call('GET', query)
    t.equal(answer.differences, '', query)
    return itemsOf(answer, 'changes').map(({ change }) => change)
  }
  t.strictSame(await names('?project=acme/list'), ['three', 'two', 'one'])
  t.strictSame(await names('?project=acme/list&change=two'), ['two'])
  t.strictSame(await names('?change=two&limit=100'), ['two'])
  t.strictSame(await names('?project=acme/list&state=failed'), ['three'])
  t.strictSame(await names('?view=rehearsal'), ['three'])
  t.strictSame(await names('?view=nowhere'), [])
  const page = await call('GET', '?project=acme/list&limit=2')
  const next = String(page.body?.['next']).replace('/api/v1/changes', '')
  t.strictSame(await names(next), ['one'])
})

test('a change and a list have forms for people', async (t) => {
  const id = await record('text')
  await call('POST', `/${id}/releases`, { release: APP })
  await call('POST', `/${id}/phases`, {
    phase: 'smoke',
    view: 'acceptance',
    status: 'failed',
    message: 'a\nb',
  })
  const text = async (path: string) => (await call('GET', path)).text
  t.match(await text(`/${id}?format=text`), /smoke +acceptance +failed .*a b/)
  t.match(await text('?format=text&change=text'), /acme\/app +text +failed/)
})

test('pipelines that record and lease at the same time get one change and one lease', async (t) => {
  const fields = { project: 'acme/race', change: 'same', commit: 'same' }
  const recorded = await Promise.all(Array.from({ length: 5 }, () => call('POST', '', fields)))
  t.strictSame(
    recorded.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 200, 200, 200, 201],
  )
  const [id] = new Set(recorded.map(({ body }) => String(body?.['id'])))
  const phase = { phase: 'smoke', view: 'acceptance' }
  const leases = await Promise.all(
    ['a', 'b', 'c'].map((holder) => call('POST', `/${id}/lease`, { ...phase, holder })),
  )
  t.strictSame(
    leases.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 409, 409],
  )
})

test('members of an origin that was created again do not see the changes of the former one', async (t) => {
  const createdBy = async (account: string) => {
    const { accountId } = await started.actor(account)
    await writer.submit({
      kind: 'createOrigin',
      input: { name: 'again', ownerId: accountId },
      actor: OPERATOR,
    })
  }
  const fields = { project: 'again/app', change: 'c1', commit: 'c1' }
  await createdBy('member')
  const { body: former } = await call('POST', '', fields)
  await writer.submit({ kind: 'deleteOrigin', input: { origin: 'again' }, actor: OPERATOR })
  await createdBy('stranger')
  const url = `/${String(former?.['id'])}`
  t.match(await call('GET', url, undefined, stranger), { status: 404 })
  const made = await call('POST', '', { ...fields, commit: 'another' }, stranger)
  t.match(made, { status: 201, body: { by: 'stranger' } })
  const list = await call('GET', '?project=again/app', undefined, stranger)
  t.strictSame(
    itemsOf(list, 'changes').map(({ id }) => id),
    [made.body?.['id']],
  )
})

test('a lease outlives a restart of the depot, and fences rise when the clock is set back', async (t) => {
  const id = await record('restart')
  const phase = { phase: 'smoke', view: 'acceptance' }
  const { body: first } = await call('POST', `/${id}/lease`, { ...phase, holder: 'one' })
  const { body: other } = await call('POST', `/${id}/lease`, { phase: 'unit', holder: 'one' })
  await started.close()
  const again = await startDepot(t, { folder: started.folder })
  const take = async (fields: Fields) =>
    callApi(again, 'POST', `/api/v1/changes/${id}/lease`, { token: member, body: fields })
  again.setClock(START + 1_000)
  t.match(await take({ ...phase, holder: 'two' }), { status: 409, body: { code: 'phase_running' } })
  const taken = await take({ phase: 'unit', holder: 'two', takeover: true })
  t.ok(Number(taken.body?.['fence']) > Number(other?.['fence']))
  again.setClock(START + 200_000)
  const last = await take({ ...phase, holder: 'two' })
  t.ok(Number(last.body?.['fence']) > Number(first?.['fence']), 'the lease has ended by the corrected clock')
})
