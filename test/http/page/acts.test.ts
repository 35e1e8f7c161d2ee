import { test } from 'tap'
import { getView } from '../../../src/revisions/view-store.ts'
import { FormBrowser } from '../../support/browser/form-browser.ts'
import { publishAll } from '../../support/origin.ts'
import { APP, JANE_TOKEN, ROBOT_TOKEN, startCompany } from '../../support/browser/page-scene.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

const started = await startCompany(fileTest())
const { app, depot } = started
const NEEDY = 'acme/needy/1.0.0/20260105120000'
const [first = '', , third = '', fourth = ''] = APP
const HOSTILE = `<script>alert("1")</script> & 'that'`

async function signedIn(token: string): Promise<FormBrowser> {
  const browser = new FormBrowser(app)
  await browser.signIn(token)
  return browser
}

const [admin, jane, robot] = [
  await signedIn(ADMIN_TOKEN),
  await signedIn(JANE_TOKEN),
  await signedIn(ROBOT_TOKEN),
]

/** Fills in a form of the page that is sent to its own path. */
async function fill(browser: FormBrowser, path: string, fields: Record<string, string>) {
  return browser.post(path, { ...(await browser.hiddenFields(path)), ...fields })
}

/** The text that a field of a page shows. */
function shownIn(page: string, name: string): string {
  const [, input, area] =
    new RegExp(
      `<input [^>]*?value="([^"]*)" name="${name}"|<textarea [^>]*name="${name}"[^>]*>([^<]*)</textarea>`,
    ).exec(page) ?? []
  return input ?? area ?? ''
}

async function gatesOf(view: string) {
  const answer = await app.inject({
    url: `/api/v1/views/${view}/gates`,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  return answer.json<Record<string, unknown>>()
}

test('hostile reasons stay text on every page', async (t) => {
  const csrf = await admin.formToken('/views/acceptance')
  await admin.post('/views/acceptance/freeze', { _csrf: csrf, reason: HOSTILE })
  t.match(await gatesOf('acceptance'), { frozen: { reason: HOSTILE } })
  for (const url of ['/', '/views/acceptance', '/activity'])
    t.notMatch((await admin.get(url)).body, '<script>alert', url)
  t.match((await admin.get('/views/acceptance')).body, '&lt;script&gt;alert')
})

test('a release is yanked, deprecated and held, and the end of this is there, too', async (t) => {
  const path = `/pkgs/${first}/marks`
  for (const [mark, shown] of [
    ['deprecated', 'Deprecated'],
    ['held', 'Held'],
    ['yanked', 'Yanked'],
  ] as const) {
    const set = await fill(jane, path, { mark, act: 'set', reason: HOSTILE })
    t.equal(set.headers.location, `/pkgs/${first}`, mark)
    const { body } = await jane.get(`/pkgs/${first}`)
    t.match(body, `<b>${shown}</b>`)
    t.notMatch(body, '<script>alert')
    await fill(jane, path, { mark, act: 'remove' })
    t.notMatch((await jane.get(`/pkgs/${first}`)).body, `<b>${shown}</b>`)
  }
  t.equal((await fill(jane, path, { mark: 'yanked', act: 'set', reason: '' })).statusCode, 400)
  const { body } = await jane.get('/activity?kind=withdrawals')
  const lines = body.replaceAll(/<[^>]+>/g, '').split('\n')
  for (const sentence of ['held acme/app 1.0.0', 'ended the hold of acme/app 1.0.0'])
    t.ok(
      lines.some((line) => line.includes(sentence)),
      sentence,
    )
})

test('marks need the rights of a maintainer, and a form of this browser', async (t) => {
  const path = `/pkgs/${first}/marks`
  t.equal((await new FormBrowser(app).get(path)).statusCode, 303)
  const fields = { mark: 'yanked', act: 'set', reason: 'r' }
  const csrf = await jane.formToken(path)
  for (const [given, headers] of [
    [fields, {}],
    [{ ...fields, _csrf: csrf }, { origin: 'https://evil.example' }],
    [{ ...fields, _csrf: await robot.formToken(path) }, {}],
  ] as const)
    t.equal((await jane.post(path, given, headers)).statusCode, 403)
  t.notMatch((await jane.get(`/pkgs/${first}`)).body, '<b>Yanked</b>')
})

const GATES = {
  requires_view: 'union',
  requires_as: 'current',
  requires_soak: '2d',
  requires_phases: 'smoke, functional',
  closure: 'view',
  downgrade: 'refuse',
  settle: '3m',
  promoters: 'jane\ngroup:release',
  approval: '1',
  approvers: 'robot',
  expires: '1d',
  overriders: 'jane',
}

test('the form for rules writes the JSON of the API, and shows it', async (t) => {
  const path = '/views/delivered/gates'
  t.equal((await fill(admin, path, GATES)).headers.location, '/views/delivered')
  t.match(await gatesOf('delivered'), {
    requires: [{ view: 'union', as: 'current', soak_seconds: 172_800, phases: ['smoke', 'functional'] }],
    closure: 'view',
    downgrade: 'refuse',
    settle_seconds: 180,
    promoters: ['jane', 'group:release'],
    approval: { approvers: ['robot'], expires_seconds: 86_400 },
    overriders: ['jane'],
  })
  const { body } = await admin.get(path)
  for (const value of ['2d', 'smoke, functional', '3m', '1d']) t.match(body, `value="${value}"`)
  t.match(body, '>jane\ngroup:release<')
  const kept = await fill(jane, path, { ...GATES, settle: '5m', override: 'it is urgent' })
  t.equal(kept.statusCode, 303, 'an overrider may, with a reason')
  t.equal((await gatesOf('delivered')).settle_seconds, 300)
  t.equal((await fill(jane, path, { ...GATES, promoters: 'jane', override: 'mine' })).statusCode, 403)
  t.equal((await robot.get(path)).statusCode, 403)
  for (const wrong of [
    { settle: 'soon' },
    { closure: 'none' },
    { promoters: 'nobody-here' },
    { settle: '99w' },
  ]) {
    const refused = await fill(admin, path, { ...GATES, ...wrong })
    t.equal(refused.statusCode, 400, JSON.stringify(wrong))
    t.match(refused.body, 'role="alert"')
    const typed = { ...GATES, ...wrong }
    for (const value of [typed.settle, typed.requires_phases])
      t.match(refused.body, `value="${value}"`, 'what was typed stays')
    t.match(refused.body, `>${typed.promoters}<`, 'what was typed stays')
  }
  t.equal((await fill(admin, path, { closure: '' })).statusCode, 303)
  t.match(await gatesOf('delivered'), { requires: [], closure: null, promoters: null, approval: null })
})

test('the form for rules sends back what it shows', async (t) => {
  const path = '/views/delivered/gates'
  const groups = Array.from({ length: 60 }, (_, index) => `group:cn=team ${index} admin, ou=people`)
  const gates = {
    requires: [{ view: 'union', as: 'member', soak_seconds: 1_300_001, phases: [] }],
    closure: null,
    downgrade: null,
    settle_seconds: null,
    promoters: ['admin', 'group:release robot, jane', ...groups],
    approval: { approvers: ['group:on call jane'], expires_seconds: 86_400 },
    overriders: ['jane', 'group:robot, jane'],
  }
  const set = await app.inject({
    method: 'PUT',
    url: `/api/v1${path}`,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    payload: gates,
  })
  t.equal(set.statusCode, 200, set.body)
  const { body } = await admin.get(path)
  const shown = Object.fromEntries(
    ['promoters', 'approvers', 'overriders'].map((name) => [name, shownIn(body, name)]),
  )
  const [, soak = ''] = /name="requires_soak" value="([^"]*)"/.exec(body) ?? []
  const requirement = { requires_view: 'union', requires_as: 'member', requires_soak: soak }
  const given = { closure: 'depot', approval: '1', expires: '1d' }
  const sent = await fill(admin, path, { ...requirement, ...shown, ...given })
  t.equal(sent.statusCode, 303, sent.body)
  t.match(await gatesOf('delivered'), { ...gates, closure: 'depot' })
  await fill(admin, path, { closure: '' })
})

test('administrators create views, and others do not see the form', async (t) => {
  const made = await fill(admin, '/views', { name: ' canary ', rule: 'highest' })
  t.equal(made.headers.location, '/views/canary')
  t.match((await admin.get('/views')).body, /canary<.*the highest version<.*an operator/s)
  for (const [status, fields] of [
    [409, { name: 'canary', rule: 'promoted' }],
    [400, { name: 'no view!', rule: 'promoted' }],
    [400, { name: 'other', rule: 'lowest' }],
  ] as const) {
    const { statusCode, body } = await fill(admin, '/views', fields)
    t.equal(statusCode, status, fields.name)
    t.match(body, 'role="alert"')
    t.match(body, `value="${fields.name}" name="name"`)
  }
  t.notMatch((await jane.get('/views')).body, 'action="/views"')
  const csrf = await jane.formToken('/views')
  t.equal((await jane.post('/views', { _csrf: csrf, name: 'hers', rule: 'promoted' })).statusCode, 403)
})

test('administrators set the origins that a view does not govern', async (t) => {
  const path = '/views/rehearsal/settings'
  t.match((await admin.get('/views/rehearsal')).body, `href="${path}"`)
  t.notMatch((await jane.get('/views/rehearsal')).body, `href="${path}"`)
  t.equal((await jane.get(path)).statusCode, 403)
  t.equal(shownIn((await admin.get(path)).body, 'ungoverned'), 'core, chef')
  const refused = await fill(admin, path, { ungoverned: 'core, No Origin' })
  t.equal(refused.statusCode, 400)
  t.match(refused.body, 'id="fault-ungoverned"')
  t.equal(shownIn(refused.body, 'ungoverned'), 'core, No Origin')
  for (const [typed, origins] of [
    ['core tools', ['core', 'tools']],
    ['', []],
  ] as const) {
    t.equal((await fill(admin, path, { ungoverned: typed })).headers.location, '/views/rehearsal')
    t.strictSame((await viewNamed('rehearsal')).ungoverned, origins)
  }
})

test('another rule for what is latest is planned, by administrators', async (t) => {
  const form = '/plans/new?view=union&act=set-rule'
  t.match((await admin.get('/views/union/settings')).body, form.replace('&', '&amp;'))
  t.match((await admin.get(form)).body, '<option value="highest" selected>')
  t.notMatch((await jane.get('/plans/new?view=union')).body, 'set-rule')
  const fields = { view: 'union', act: 'set-rule', rule: 'highest', reason: 'as Builder has it' }
  const csrf = await jane.formToken('/')
  t.equal((await jane.post('/plans', { _csrf: csrf, ...fields })).statusCode, 403)
  const path = String(
    (await admin.post('/plans', { _csrf: await admin.formToken(form), ...fields })).headers.location,
  )
  t.match((await admin.get(path)).body, 'Lets latest in union be the highest version')
  t.match((await admin.get(path)).body, 'value="apply"')
  t.notMatch((await jane.get(path)).body, 'value="apply"')
  t.equal((await fill(admin, path, { action: 'apply' })).statusCode, 303)
  t.equal((await viewNamed('union')).rule, 'highest')
})

test('a form does not undo what somebody else has changed since it was made', async (t) => {
  const path = '/views/base/gates'
  const read = await admin.hiddenFields(path)
  const others = { closure: '', settle: '3m' }
  await fill(admin, path, others)
  const typed = { closure: 'depot', settle: '' }
  const refused = await admin.post(path, { ...read, ...typed })
  t.equal(refused.statusCode, 412)
  t.match(refused.body, /aria-label="The rules now".*it rests for 3 minutes/s)
  t.match(refused.body, '<option value="depot" selected>', 'what was typed stays')
  t.match(await gatesOf('base'), { closure: null, settle_seconds: 180 })
  t.equal((await admin.post(path, { ...read, ...others })).statusCode, 303, 'nobody loses an equal change')
  const [, again = ''] = /name="read" value="([^"]*)"/.exec(refused.body) ?? []
  t.equal((await admin.post(path, { ...read, read: again, ...typed })).statusCode, 303)
  t.match(await gatesOf('base'), { closure: 'depot', settle_seconds: null })

  const settings = '/views/base/settings'
  const before = await admin.hiddenFields(settings)
  await fill(admin, settings, { ungoverned: 'core' })
  const late = await admin.post(settings, { ...before, ungoverned: 'chef' })
  t.equal(late.statusCode, 412)
  t.match(late.body, 'Now they are core.')
  t.equal(shownIn(late.body, 'ungoverned'), 'chef')
  t.strictSame((await viewNamed('base')).ungoverned, ['core'])
})

test('each gate refuses on the page, and names its rule', async (t) => {
  await publishAll(started, { ident: NEEDY, deps: [third], tdeps: [third] })
  await fill(admin, `/pkgs/${fourth}/marks`, { mark: 'yanked', act: 'set', reason: 'loses data' })
  const before = await revisionOf('rehearsal')
  for (const [rule, gates, release] of [
    ['requires', { requires_view: 'union', requires_as: 'member' }, fourth],
    ['requires', { requires_view: 'union', requires_as: 'member', requires_phases: 'smoke' }, third],
    ['yanked', {}, fourth],
    ['downgrade', { downgrade: 'refuse' }, first],
    ['settle', { settle: '7d' }, third],
    ['approval', { approval: '1' }, third],
    ['closure', { closure: 'view' }, NEEDY],
  ] as const) {
    await fill(admin, '/views/rehearsal/gates', { closure: '', ...gates })
    const form = { view: 'rehearsal', act: 'promote', releases: release }
    const csrf = await jane.formToken('/plans/new?view=rehearsal')
    const path = String((await jane.post('/plans', { _csrf: csrf, ...form })).headers.location)
    t.match((await jane.get(path)).body, `<b>${rule}</b>`, rule)
    const refused = await fill(jane, path, { action: 'apply', confirm: 'rehearsal' })
    t.equal(refused.statusCode, 409, rule)
  }
  await fill(admin, '/views/rehearsal/gates', { closure: '', promoters: 'robot' })
  const csrf = await jane.formToken('/')
  const stranger = { _csrf: csrf, view: 'rehearsal', act: 'promote', releases: third }
  t.equal((await jane.post('/plans', stranger)).statusCode, 403)
  t.equal(await revisionOf('rehearsal'), before)
})

async function revisionOf(view: string): Promise<number> {
  return (await viewNamed(view)).revision
}

async function viewNamed(name: string) {
  return getView(depot.db, name)
}
