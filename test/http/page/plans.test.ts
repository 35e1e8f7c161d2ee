import { test } from 'tap'
import { FormBrowser } from '../../support/browser/form-browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../../support/browser/page-scene.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { publishAll } from '../../support/origin.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

const started = await startCompany(fileTest())
const { app, depot } = started
const actor = { client: 'tests', door: 'cli' } as const
const [, , third = '', fourth = ''] = APP

async function signedIn(token: string): Promise<FormBrowser> {
  const browser = new FormBrowser(app)
  await browser.signIn(token)
  return browser
}

/** Fills in the form for a change. Returns the answer, which leads to the plan. */
async function plan(browser: FormBrowser, fields: Record<string, string>) {
  const csrf = await browser.formToken(`/plans/new?view=${fields.view}`)
  return browser.post('/plans', { _csrf: csrf, ...fields })
}

async function decide(browser: FormBrowser, path: string, fields: Record<string, string>) {
  return browser.post(path, { ...(await browser.hiddenFields(path)), ...fields })
}

/** Sends a form of the page of the view `acceptance`. */
async function sendForm(browser: FormBrowser, path: string, fields: Record<string, string>) {
  return browser.post(path, { _csrf: await browser.formToken('/views/acceptance'), ...fields })
}

async function revisionOf(view: string): Promise<number> {
  const { revision } = await depot.db
    .selectFrom('views')
    .select('revision')
    .where('name', '=', view)
    .executeTakeFirstOrThrow()
  return revision
}

test('a plan is made by those who may promote, and is applied once', async (t) => {
  t.equal((await new FormBrowser(app).get('/plans/new?view=rehearsal')).statusCode, 303)
  const jane = await signedIn(JANE_TOKEN)
  const made = await plan(jane, {
    view: 'rehearsal',
    act: 'promote',
    releases: `${third} x86_64-linux\n\n`,
    from: '',
  })
  t.equal(made.statusCode, 303)
  const path = String(made.headers.location)
  const { body } = await jane.get(path)
  t.match(body, third)
  t.match(body, `hart-depot promote rehearsal ${third} --target x86_64-linux`)
  const first = await decide(jane, path, { action: 'apply', reason: 'ready' })
  t.equal(first.headers.location, '/views/rehearsal/revisions/3')
  const again = await jane.post(path, { _csrf: await jane.formToken('/'), action: 'apply' })
  t.equal(again.headers.location, path, 'the second time leads to what became of it')
  t.equal(await revisionOf('rehearsal'), 3)
})

test('a form that makes no sense is shown again, with the reason', async (t) => {
  const jane = await signedIn(JANE_TOKEN)
  for (const [status, fields] of [
    [400, { act: 'promote' }],
    [400, { act: 'promote', from: 'union', releases: third }],
    [400, { act: 'promote', releases: 'acme/app' }],
    [400, { act: 'promote', releases: `${third} amiga` }],
    [400, { act: 'rollback', to: 'yesterday' }],
    [404, { act: 'revert', revision: '99' }],
  ] as const) {
    const answer = await plan(jane, { view: 'union', reason: 'as agreed', ...fields })
    t.equal(answer.statusCode, status, JSON.stringify(fields))
    t.match(answer.body, 'role="alert"')
    t.match(answer.body, 'value="as agreed"')
  }
})

test('what is not a revision is not taken for one', async (t) => {
  const jane = await signedIn(JANE_TOKEN)
  for (const revision of ['abc', '1e3', '2x']) {
    const answer = await plan(jane, { view: 'union', act: 'revert', revision })
    t.equal(answer.statusCode, 400)
    t.match(answer.body, `&quot;${revision}&quot; is not a revision`)
  }
})

test('an ident that a shell would run is quoted in the commands of a page', async (t) => {
  const ident = "acme/app/9;reboot&$(id)'/20260109120000"
  await publishAll(started, ident)
  const jane = await signedIn(JANE_TOKEN)
  const { location } = (await plan(jane, { view: 'union', act: 'promote', releases: ident })).headers
  const quoted = "'acme/app/9;reboot&$(id)'\\''/20260109120000'"
    .replaceAll('&', '&amp;')
    .replaceAll("'", '&#39;')
  for (const path of [String(location), `/pkgs/${ident.split('/').map(encodeURIComponent).join('/')}/marks`])
    t.ok((await jane.get(path)).body.includes(` ${quoted}`), path)
})

test('a token that may only read makes no plan', async (t) => {
  const reader = await signedIn(await started.account('reader', { actions: ['read'] }))
  t.equal((await reader.get('/plans/new?view=union')).statusCode, 403)
  const csrf = await reader.formToken('/')
  const answer = await reader.post('/plans', {
    _csrf: csrf,
    view: 'union',
    act: 'promote',
    from: 'acceptance',
  })
  t.equal(answer.statusCode, 403)
})

test('a forged request changes nothing', async (t) => {
  const jane = await signedIn(JANE_TOKEN)
  const path = String((await plan(jane, { view: 'acceptance', act: 'rollback', to: '1' })).headers.location)
  const before = await revisionOf('acceptance')
  const own = await jane.formToken(path)
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
    t.equal((await jane.post(path, { _csrf: own, action: 'apply' }, headers)).statusCode, 403)
  t.equal((await jane.post(path, { action: 'apply' })).statusCode, 403)
  t.equal((await jane.get(`${path}?action=apply`)).statusCode, 200)
  t.equal(await revisionOf('acceptance'), before)
})

test('a view with approval asks for its name, and refuses what nobody else has approved', async (t) => {
  const gates = { approval: { expiresMs: 86_400_000 } }
  await depot.writer.submit({ kind: 'setGates', input: { view: 'rehearsal', gates }, actor })
  const jane = await signedIn(JANE_TOKEN)
  const path = String(
    (await plan(jane, { view: 'rehearsal', act: 'promote', releases: fourth })).headers.location,
  )
  t.equal((await decide(jane, path, { action: 'apply' })).statusCode, 400)
  const refused = await decide(jane, path, { action: 'apply', confirm: 'rehearsal' })
  t.equal(refused.statusCode, 409)
  t.match(refused.body, 'approval')
  const proposal = String((await decide(jane, path, { action: 'propose' })).headers.location)
  t.equal((await decide(jane, proposal, { action: 'approve', confirm: 'rehearsal' })).statusCode, 409)
  const withdrawn = await decide(jane, proposal, { action: 'reject', reason: 'not yet' })
  t.equal(withdrawn.headers.location, proposal)
  t.match((await jane.get(proposal)).body, 'Rejected')
  t.equal(await revisionOf('rehearsal'), 3)
})

test('a view is frozen with a reason, by those who may, and thawed', async (t) => {
  const admin = await signedIn(ADMIN_TOKEN)
  const fields = { reason: '<b>moving</b> house', period: '2d', origin: '', name: '' }
  t.equal((await sendForm(await signedIn(JANE_TOKEN), '/views/acceptance/freeze', fields)).statusCode, 403)
  t.equal((await sendForm(admin, '/views/acceptance/freeze', { ...fields, period: 'long' })).statusCode, 400)
  t.equal((await sendForm(admin, '/views/acceptance/freeze', fields)).headers.location, '/views/acceptance')
  const { body } = await admin.get('/views/acceptance')
  t.match(body, '&lt;b&gt;moving&lt;/b&gt; house')
  t.match(body, 'Thaw acceptance')
  t.equal((await sendForm(admin, '/views/acceptance/thaw', { origin: '', name: '' })).statusCode, 303)
  t.notMatch((await admin.get('/views/acceptance')).body, 'Thaw acceptance')
})
