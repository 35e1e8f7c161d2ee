import tap, { test } from 'tap'
import { verifyDepot } from '../../../../src/audit/verify.ts'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn } from '../../../support/command.ts'
import { makeReleases, move, setVisibility } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const OLD = 'acme/app/1.0.0/20260101000000'
const NEW = 'acme/app/2.0.0/20260101000000'
const LIBRARY = 'acme/library/1.0.0/20260101000000'
const SECRET = 'acme/secret/1.0.0/20260101000000'

const started = await startDepot(tap, { listen: true })
const run = commandsOn(started)
const [older, newer] = await makeReleases(started, OLD, NEW, LIBRARY, SECRET)
if (older === undefined || newer === undefined) throw new Error('two releases were made')
await setVisibility(started, SECRET, 'private')
for (const view of ['stable', 'union', 'delivered']) await move(started, 'promote', view, [older, newer])
const maintainer = await started.account('maria')
const member = await started.account('mike')
for (const [name, role] of [
  ['maria', 'maintainer'],
  ['mike', 'member'],
])
  await callApi(started, 'PUT', `/api/v1/origins/acme/members/${name}`, { body: { role } })

const api = (
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  token: string | null = maintainer,
) => callApi(started, method, `/api/v1/${path}`, { token, ...(body !== undefined && { body }) })
const yank = (ident: string, body: object = { reason: 'it loses data' }, token?: string | null) =>
  api('PUT', `releases/${ident}/yank`, body, token)
const unyank = (ident: string, query = '') => api('DELETE', `releases/${ident}/yank${query}`)
const latestIn = async (view: string) => (await api('GET', `views/${view}/latest/acme/app`)).body?.['ident']
const promote = (view: string, body: object) =>
  callApi(started, 'POST', `/api/v1/views/${view}/promotions`, { body })

test('latest skips a yanked release under highest, with a revision in each view, until it is unyanked', async (t) => {
  const yanked = await yank(NEW)
  t.match(yanked, {
    status: 200,
    differences: '',
    body: {
      ident: NEW,
      target: 'x86_64-linux',
      changed: true,
      yank: { reason: 'it loses data', by: 'maria' },
      promotions: [
        { view: 'unstable', changed: true, pointers: [{ from: NEW, to: OLD }] },
        { view: 'stable', changed: true, pointers: [{ from: NEW, to: OLD }] },
      ],
    },
  })
  for (const view of ['unstable', 'stable']) t.equal(await latestIn(view), OLD, view)
  for (const view of ['union', 'delivered']) t.equal(await latestIn(view), NEW, `${view} stays`)
  t.match(await yank(NEW), { status: 200, body: { changed: false, promotions: [] } })
  t.match(await yank(NEW, { reason: 'it loses more' }), {
    body: { changed: true, yank: { reason: 'it loses more' }, promotions: [] },
  })
  t.match((await api('GET', 'views/stable/history')).body, {
    revisions: [{ act: 'yank', actor: 'maria', reason: 'it loses data' }],
  })
  t.match((await api('GET', `releases/${NEW}/views`)).body, {
    views: [{ view: 'unstable' }, {}, {}, { view: 'stable' }, {}, {}],
  })
  const unyanked = await unyank(NEW)
  t.match(unyanked, {
    differences: '',
    body: { changed: true, yank: null, promotions: [{ pointers: [{ from: OLD, to: NEW }] }, {}] },
  })
  t.equal(await latestIn('stable'), NEW)
  t.match(await unyank(NEW), { status: 200, body: { changed: false, promotions: [] } })
})

test('a yanked release still downloads and polls by its full ident, and shows its reason everywhere', async (t) => {
  await yank(NEW)
  const habitat = async (path: string) => (await started.app.inject(`/v1/depot/${path}`)).json() as object
  t.match(await habitat(`pkgs/${NEW}`), { ident: { version: '2.0.0' }, yank: 'it loses data' })
  t.match(await habitat('channels/acme/stable/pkgs/app/latest'), { ident: { version: '1.0.0' } })
  t.match(await habitat('channels/acme/stable/pkgs/app/1.0.0/latest'), { ident: { version: '1.0.0' } })
  t.equal((await started.app.inject('/v1/depot/channels/acme/stable/pkgs/app/2.0.0/latest')).statusCode, 404)
  t.match((await api('GET', `releases/${NEW}`)).body, { yank: { reason: 'it loses data', by: 'maria' } })
  t.match((await api('GET', 'packages/acme/app/releases')).body, {
    releases: [
      { ident: NEW, yank: { by: 'maria' } },
      { ident: OLD, yank: null },
    ],
  })
  t.match((await api('GET', 'search?q=app')).body, { packages: [{ yanked_releases: 1 }] })
  t.match((await api('GET', 'views/stable/members')).body, {
    members: [
      { ident: OLD, yank: null },
      { ident: NEW, yank: { reason: 'it loses data' } },
    ],
  })
  t.match((await api('GET', 'views/union/content')).body, { pointers: [{ ident: NEW, yank: {} }] })
  await unyank(NEW)
  t.notOk('yank' in (await habitat(`pkgs/${NEW}`)))
})

test('a promotion of a yanked release is refused with the reason, and nobody can override that', async (t) => {
  await yank(LIBRARY)
  const refused = { status: 409, differences: '', body: { code: 'refused', errors: [{ rule: 'yanked' }] } }
  const releases = [{ ident: LIBRARY }]
  const answer = await promote('acceptance', { releases })
  t.match(answer, refused)
  t.match(String(answer.body?.['detail']), 'it loses data')
  t.match(await promote('acceptance', { releases, override: { reason: 'now' } }), refused)
  t.match(await promote('unstable', { releases }), refused)
  const plan = await callApi(started, 'POST', '/api/v1/views/acceptance/plans', { body: { releases } })
  t.match(plan.body, { blocked: [{ rule: 'yanked', detail: /it loses data/ }], notes: [/is yanked/] })
  await unyank(LIBRARY)
  t.match(await promote('acceptance', { releases }), { status: 200 })
})

test('a rollback to a yanked release is refused under promoted unless it is overridden, and a conflict under highest', async (t) => {
  await move(started, 'promote', 'union', [older])
  await move(started, 'demote', 'stable', [newer])
  await yank(NEW)
  const union = { to: 1, origin: 'acme' }
  t.match(await callApi(started, 'POST', '/api/v1/views/union/rollbacks', { body: union }), {
    body: { code: 'refused', errors: [{ rule: 'yanked' }] },
  })
  const override = { reason: 'customers are down' }
  t.match(await callApi(started, 'POST', '/api/v1/views/union/rollbacks', { body: { ...union, override } }), {
    status: 200,
    body: { pointers: [{ from: OLD, to: NEW }], overridden: [/which is yanked/] },
  })
  t.match(await callApi(started, 'POST', '/api/v1/views/stable/rollbacks', { body: { to: 1, override } }), {
    status: 409,
    body: { code: 'conflict', detail: /unyank it/ },
  })
  await unyank(NEW)
})

test('a promotion of a whole channel leaves yanked releases out', async (t) => {
  await yank(LIBRARY)
  const bulk = { origin: 'acme', source: 'unstable', view: 'bulk', ownerId: 1 }
  const actor = { client: 'tests', door: 'cli' } as const
  t.match(await started.depot.writer.submit({ kind: 'promoteAll', input: bulk, actor }), { isChanged: true })
  t.notMatch((await api('GET', 'views/bulk/members')).text, LIBRARY)
  t.match((await api('GET', 'views/bulk/members')).text, NEW)
  await unyank(LIBRARY)
})

test('a demotion does not make latest fall back to a yanked release', async (t) => {
  await move(started, 'promote', 'delivered', [older])
  await yank(NEW)
  t.match(
    await callApi(started, 'POST', '/api/v1/views/delivered/demotions', {
      body: { releases: [{ ident: OLD }] },
    }),
    { body: { code: 'refused', errors: [{ rule: 'yanked' }] } },
  )
  await unyank(NEW)
})

test('a freeze keeps latest of its view where it is, unless an administrator overrides it', async (t) => {
  await move(started, 'promote', 'base', [older, newer])
  await callApi(started, 'PUT', '/api/v1/views/base/freeze', { body: { reason: 'the fair' } })
  t.match(await yank(NEW), { status: 409, body: { code: 'refused', errors: [{ rule: 'freeze' }] } })
  t.match(await yank(NEW, { reason: 'it loses data', override: { reason: 'now' } }), { status: 403 })
  t.match((await api('GET', `releases/${NEW}`)).body, { yank: null })
  const overridden = await yank(NEW, { reason: 'it loses data', override: { reason: 'now' } }, undefined)
  t.equal(overridden.status, 403)
  t.match(
    await callApi(started, 'PUT', `/api/v1/releases/${NEW}/yank`, {
      body: { reason: 'it loses data', override: { reason: 'now' } },
    }),
    { status: 200, body: { promotions: [{}, { view: 'base', overridden: [/the fair/] }] } },
  )
  t.match(await unyank(NEW), { status: 409, body: { code: 'refused', errors: [{ rule: 'freeze' }] } })
  await callApi(started, 'DELETE', '/api/v1/views/base/freeze')
  t.match(await unyank(NEW, '?override=now'), { status: 200, body: { promotions: [{}, {}] } })
})

test('deprecation warns in plans, promotions and lists, and changes no view', async (t) => {
  const reason = 'use acme/app2'
  t.match(await api('PUT', `releases/${OLD}/deprecation`, { reason }), {
    differences: '',
    body: { changed: true, deprecation: { reason, by: 'maria' }, promotions: [] },
  })
  t.match(await promote('rehearsal', { releases: [{ ident: OLD }] }), {
    status: 200,
    body: { notes: [`${OLD} (x86_64-linux) is deprecated: ${reason}`] },
  })
  t.match((await api('GET', 'search?q=app')).body, { packages: [{ deprecated_releases: 1 }] })
  t.match(await api('DELETE', `releases/${OLD}/deprecation`), { body: { changed: true, deprecation: null } })
})

test('a held release is not deleted', async (t) => {
  const [spare] = await makeReleases(started, 'acme/spare/1.0.0/20260101000000')
  const ident = spare?.ident ?? ''
  await api('PUT', `releases/${ident}/hold`, { reason: 'evidence' })
  const remove = () =>
    started.depot.writer.submit({
      kind: 'deleteRelease',
      input: { ident, target: 'x86_64-linux' },
      actor: { client: 'tests', door: 'cli' },
    })
  await t.rejects(remove(), { code: 'in_use', message: /held: evidence/ })
  t.match((await api('GET', `releases/${ident}/why`)).body, {
    kept_by: [{ view: null, detail: 'it is held: evidence' }],
  })
  t.match(await api('DELETE', `releases/${ident}/hold`), { body: { changed: true, hold: null } })
  await t.resolves(remove())
})

test('only maintainers mark releases, and only those who see a release learn of its marks', async (t) => {
  t.match(await yank(OLD, undefined, member), { status: 403, differences: '' })
  t.match(await yank(OLD, undefined, null), { status: 401, differences: '' })
  t.match(await yank('acme/absent/1/1'), { status: 404, differences: '' })
  t.match(await yank(OLD, { reason: '' }), { status: 400, differences: '' })
  await yank(SECRET, { reason: 'a secret reason' })
  for (const path of ['events?limit=1000', 'views/unstable/history', 'search?q=secret'])
    t.notMatch((await api('GET', path, undefined, null)).text, /secret/, path)
  t.match((await api('GET', 'events?kind=release-yanked&limit=1000')).text, /a secret reason/)
})

test('the commands do the same', async (t) => {
  const done = await run(['yank', OLD, '--reason', 'it loses data'])
  t.match(done, { code: 0, stderr: '' })
  t.match(done.stdout, `${OLD} (x86_64-linux) is now yanked (it loses data).`)
  t.match(await run(['promote', OLD, 'unstable']), { code: 3, stderr: /yanked: it loses data/ })
  t.match(await run(['show', OLD]), { code: 0, stdout: /yanked +\S+ by admin: it loses data/ })
  t.match(await run(['unyank', OLD, '--quiet']), { code: 0, stdout: /^unstable \d+-/ })
  for (const [set, remove, state] of [
    ['deprecate', 'undeprecate', 'deprecated'],
    ['hold', 'unhold', 'held'],
  ] as const) {
    t.match(await run([set, OLD, '--reason', 'why']), { code: 0, stdout: `is now ${state} (why).` })
    t.match(await run([remove, OLD]), { code: 0, stdout: 'is now neither' })
  }
  t.match(await run(['yank', OLD]), { code: 2 })
})

test('verify finds the depot whole after all this', async (t) => {
  const snapshot = await started.depot.engine.openSnapshot()
  t.strictSame((await verifyDepot(snapshot.reader)).findings, [])
  await snapshot.close()
})

test('latest of a version skips a release that was yanked after it was answered', async (t) => {
  const [first, second] = ['acme/tool/1.0.0/20260101000000', 'acme/tool/1.0.0/20260202000000']
  await makeReleases(started, first, second, 'acme/tool/2.0.0/20260101000000')
  const latest = async () => {
    const { text } = await ask(`${started.url}/v1/depot/channels/acme/unstable/pkgs/tool/1.0.0/latest`)
    return (JSON.parse(text) as { ident: { release: string } }).ident.release
  }
  t.equal(await latest(), '20260202000000')
  await yank(second)
  t.equal(await latest(), '20260101000000')
  await unyank(second)
  t.equal(await latest(), '20260202000000')
})
