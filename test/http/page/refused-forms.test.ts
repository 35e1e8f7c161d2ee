import { test } from 'tap'
import { FormBrowser } from '../../support/browser/form-browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../../support/browser/page-scene.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

// A form that the depot refuses is shown again, with what was typed and what is wrong. Forms are shown to those
// who may send them.

const started = await startCompany(fileTest())
const { app, depot } = started

async function signedIn(token: string): Promise<FormBrowser> {
  const browser = new FormBrowser(app)
  await browser.signIn(token)
  return browser
}

const admin = await signedIn(ADMIN_TOKEN)
const jane = await signedIn(JANE_TOKEN)

async function send(browser: FormBrowser, page: string, path: string, fields: Record<string, string>) {
  return browser.post(path, { ...(await browser.hiddenFields(page, path)), ...fields })
}

/** What forms on a page are sent to. */
async function actions(browser: FormBrowser, page: string): Promise<string[]> {
  const { body } = await browser.get(page)
  return [
    ...new Set([...body.matchAll(/<form method="post" action="([^"]+)"/g)].map(([, path = '']) => path)),
  ]
}

test('a field that is wrong is marked, and keeps its text', async (t) => {
  const page = '/views/union'
  const typed = { reason: '<b>the "end"</b>', period: 'soon', origin: 'acme' }
  const { statusCode, body } = await send(admin, page, `${page}/freeze`, typed)
  t.equal(statusCode, 400)
  t.match(body, '<details class="closed" open>')
  t.match(body, 'value="&lt;b&gt;the &quot;end&quot;&lt;/b&gt;"')
  t.match(body, /value="soon" name="period"[^>]* aria-invalid="true" aria-describedby="fault-period"/)
  t.match(body, /id="fault-period">[^<]*6h or 2d/)
  t.match(body, /value="acme" name="origin"/)
  t.equal(body.match(/role="alert"/g)?.length, 1)
  t.notMatch(body, 'data-live=', 'a page on which somebody types stays as it is')
})

test('what the writer refuses is said above the form', async (t) => {
  const page = '/admin/accounts'
  const { statusCode, body } = await send(admin, page, page, { account: 'jane', email: 'jane@example.com' })
  t.equal(statusCode, 409)
  t.match(body, /class="filters".*role="alert"[^>]*><p>[^<]*jane/s)
  t.match(body, 'value="jane@example.com"')
})

test('only the form that was sent shows its refusal', async (t) => {
  const page = '/admin/origins/acme'
  const answer = await send(admin, page, `${page}/members`, { account: 'nobody-here', role: 'member' })
  t.equal(answer.statusCode, 404)
  t.equal(answer.body.match(/value="nobody-here"/g)?.length, 1)
  t.match(answer.body, '<option value="member" selected>')
})

test('repeated fields and ticked boxes come back', async (t) => {
  const path = '/views/rehearsal/gates'
  const { statusCode, body } = await send(admin, path, path, {
    requires_view: 'union',
    requires_as: 'current',
    requires_soak: 'a while',
    requires_phases: 'smoke',
    closure: 'view',
    downgrade: 'refuse',
    approval: '1',
  })
  t.equal(statusCode, 400)
  t.match(body, 'a while: write a time')
  t.match(body, /<option value="union" selected>.*<option value="current" selected>/s)
  t.match(body, 'value="a while"')
  t.match(body, /name="downgrade" value="refuse" checked/)
  t.match(body, /name="approval" value="1" checked/)
})

test('keys and the fields of other sites do not come back', async (t) => {
  const page = '/admin/origins/acme'
  const { statusCode, body } = await send(admin, page, `${page}/keys`, { file: 'SIG-SEC-1\nsecret' })
  t.equal(statusCode, 422)
  t.notMatch(body, 'SIG-SEC-1\nsecret')
  const forged = await admin.post(
    '/admin/accounts',
    { _csrf: await admin.formToken(page), account: 'from elsewhere' },
    { origin: 'https://elsewhere.example' },
  )
  t.equal(forged.statusCode, 403)
  t.notMatch(forged.body, 'from elsewhere')
})

test('a change that a gate refuses says so on the page of its plan', async (t) => {
  const fields = { view: 'delivered', act: 'promote', releases: APP[2] ?? '' }
  const { headers } = await send(jane, '/plans/new?view=delivered', '/plans', fields)
  const path = String(headers.location)
  const { statusCode, body } = await send(jane, path, path, { action: 'apply', reason: 'it is urgent' })
  t.equal(statusCode, 409)
  t.match(body, /role="alert".*frozen/s)
  t.match(body, 'value="it is urgent"')
})

test('forms are shown to those who may send them', async (t) => {
  const member = await signedIn(await started.account('member'))
  await depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'member', role: 'member' },
    actor: { client: 'tests', door: 'cli' },
  })
  const release = `/pkgs/${APP[3]}`
  for (const [browser, page, forms, links] of [
    [new FormBrowser(app), '/views/union', [], []],
    [member, '/views/union', [], []],
    [jane, '/views/union', [], ['/plans/new?view=union&amp;act=promote']],
    [admin, '/views/union', ['/views/union/freeze', '/views/union/end'], ['/views/union/gates']],
    [member, release, [], []],
    [jane, release, [], ['/plans/new', `${release}/marks`]],
    [member, '/', [], []],
    [member, '/admin/origins/acme', ['/admin/origins/acme/leave'], []],
    [jane, '/admin/origins/acme', ['/admin/origins/acme/leave', '/admin/origins/acme/invitations'], []],
    [member, '/admin/retention', [], []],
  ] as const) {
    const name = `${browser === admin ? 'admin' : browser === jane ? 'jane' : 'another'} on ${page}`
    const found = await actions(browser, page)
    t.strictSame(
      found.filter((path) => path !== '/sign-out'),
      forms,
      name,
    )
    const { body } = await browser.get(page)
    for (const link of links) t.ok(body.includes(link), `${name}: ${link}`)
    if (links.length === 0) t.notMatch(body, '/plans/new', name)
  }
})

test('those who may freeze only by an override are asked for its reason', async (t) => {
  await depot.writer.submit({
    kind: 'setGates',
    input: { view: 'rehearsal', gates: { overriders: ['jane'] } },
    actor: { client: 'tests', door: 'cli' },
  })
  const page = '/views/rehearsal'
  t.match((await jane.get(page)).body, 'name="override"')
  t.notMatch((await admin.get(page)).body, 'name="override"')
  t.equal((await send(jane, page, `${page}/freeze`, { reason: 'a fair' })).statusCode, 403)
  const override = 'the others are away'
  t.equal((await send(jane, page, `${page}/freeze`, { reason: 'a fair', override })).statusCode, 303)
  t.match((await admin.get(page)).body, /Frozen<\/b> by jane/)
  const thawed = await send(jane, page, `${page}/thaw`, { origin: '', name: '', override })
  t.equal(thawed.statusCode, 303)
  t.notMatch((await admin.get(page)).body, /Frozen<\/b> by jane/)
})

test('a proposal says whether it waits for the person who looks', async (t) => {
  t.match((await admin.get('/changes')).body, 'Waits for <b>you</b>, or anyone else who may promote')
  t.match((await jane.get('/changes')).body, 'Waits for anyone else who may promote')
})
