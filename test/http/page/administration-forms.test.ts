import { test } from 'tap'
import { findInvitationOf } from '../../../src/origins/invitation-store.ts'
import { getOrigin, listKeysBefore, listMembers } from '../../../src/origins/origin-store.ts'
import { listRules } from '../../../src/retention/rule-store.ts'
import { describeRule, formatScope } from '../../../src/views/retention-rule.ts'
import { FormBrowser } from '../../support/browser/form-browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../../support/browser/page-scene.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

// Forms of the administration for origins, retention, webhooks and trusted keys.

const started = await startCompany(fileTest())
const { app, depot } = started
const { db } = depot

async function signedIn(token: string): Promise<FormBrowser> {
  const browser = new FormBrowser(app)
  await browser.signIn(token)
  return browser
}

const admin = await signedIn(ADMIN_TOKEN)
const jane = await signedIn(JANE_TOKEN)
const ann = await signedIn(await started.account('ann'))

async function send(browser: FormBrowser, page: string, path: string, fields: Record<string, string> = {}) {
  return browser.post(path, { ...(await browser.hiddenFields(page, path)), ...fields })
}

async function roleOf(origin: string, name: string) {
  const members = await listMembers(db, origin, { after: undefined, limit: 10 })
  return members.find(({ account }) => account === name)?.role
}

const ACME = '/admin/origins/acme'

test('a maintainer invites, and the invited account accepts', async (t) => {
  t.equal((await send(jane, ACME, `${ACME}/invitations`, { account: 'ann' })).statusCode, 303)
  t.equal((await send(jane, ACME, `${ACME}/invitations`, { account: 'nobody' })).statusCode, 404)
  t.match((await jane.get(ACME)).body, /<th scope="row">ann<.*Withdraw/s)
  const { body } = await ann.get('/admin/origins')
  t.match(body, 'You are invited to the origin <b>acme</b>')
  const [path = ''] = /\/admin\/origins\/acme\/invitations\/\d+/.exec(body) ?? []
  t.equal((await send(ann, '/admin/origins', path, { act: 'accept' })).statusCode, 303)
  t.equal(await roleOf('acme', 'ann'), 'readonly_member')
  t.equal((await send(ann, ACME, `${ACME}/leave`)).statusCode, 303)
  t.equal(await roleOf('acme', 'ann'), undefined)
})

test('an invitation is withdrawn', async (t) => {
  await send(jane, ACME, `${ACME}/invitations`, { account: 'ann' })
  const { id } = await getOrigin(db, 'acme')
  const invitation = await findInvitationOf(db, id, (await accountId('ann')) ?? 0)
  const path = `${ACME}/invitations/${invitation?.id}`
  const stranger = await signedIn(await started.account('stranger'))
  t.equal((await send(stranger, '/admin/tokens', path, { act: 'rescind' })).statusCode, 403)
  t.equal((await send(jane, ACME, path, { act: 'rescind' })).headers.location, ACME)
  t.notMatch((await ann.get('/admin/origins')).body, 'You are invited')
})

async function accountId(name: string): Promise<number | undefined> {
  const row = await db.selectFrom('accounts').select('id').where('name', '=', name).executeTakeFirst()
  return row?.id
}

test('groups get and lose roles', async (t) => {
  t.equal((await send(jane, ACME, `${ACME}/groups`, { group: 'payments', role: 'member' })).statusCode, 403)
  t.equal((await send(admin, ACME, `${ACME}/groups`, { group: 'payments', role: 'member' })).statusCode, 303)
  t.match((await jane.get(ACME)).body, /payments<.*member/s)
  t.equal((await send(admin, ACME, `${ACME}/groups`, { group: 'payments', role: 'none' })).statusCode, 303)
  t.notMatch((await jane.get(ACME)).body, 'payments')
})

test('an origin is created, gets a key, changes its owner, and is deleted', async (t) => {
  const page = '/admin/origins/fresh'
  const made = await send(ann, '/admin/origins', '/admin/origins', {
    name: 'fresh',
    default_visibility: 'private',
  })
  t.equal(made.headers.location, page)
  t.equal((await send(ann, page, `${page}/keys/generate`)).statusCode, 303)
  const [key] = await listKeysBefore(db, 'fresh', 'public', { before: undefined, limit: 2 })
  const file = await ann.get(`${page}/keys/${key?.revision}`)
  t.match(file.headers['content-disposition'], `fresh-${key?.revision}.pub`)
  t.match(file.body, /^SIG-PUB-1\nfresh-\d{14}\n\n/)
  const secret = await ann.get(`${page}/keys/secret`)
  t.match(secret.body, /^SIG-SEC-1\nfresh-/)
  t.equal((await jane.get(`${page}/keys/secret`)).statusCode, 403)
  t.equal((await ann.get(`${page}/keys/20200101000000`)).statusCode, 404)

  t.equal((await send(ann, page, `${page}/visibility`, { default_visibility: 'public' })).statusCode, 303)
  t.equal((await getOrigin(db, 'fresh')).defaultVisibility, 'public')
  t.equal(
    (await send(ann, page, `${page}/owner`, { account: 'jane', former_owner: 'removed' })).statusCode,
    403,
    'jane is no member',
  )
  await send(ann, page, `${page}/members`, { account: 'jane', role: 'member' })
  t.equal(
    (await send(ann, page, `${page}/owner`, { account: 'jane', former_owner: 'removed' })).statusCode,
    303,
  )
  t.equal((await getOrigin(db, 'fresh')).owner, 'jane')
  t.equal((await ann.get(page)).statusCode, 403)
})

test('a key file is added as it was pasted', async (t) => {
  const page = '/admin/origins/pasted'
  await send(ann, '/admin/origins', '/admin/origins', { name: 'pasted', default_visibility: 'public' })
  const name = 'pasted-20260101120000'
  const key = `SIG-PUB-1\r\n${name}\r\n\r\nI/qkPYCRb51m7QP4EjVTXsKyPpj38P2mK520Kv9IESg=\r\n`
  t.equal((await send(ann, page, `${page}/keys`, { file: key })).statusCode, 303)
  t.equal((await ann.get(`${page}/keys/20260101120000`)).body, key.replaceAll('\r\n', '\n').trim())
  const other = key.replace('pasted', 'acme')
  t.equal((await send(ann, page, `${page}/keys`, { file: other })).statusCode, 422)
})

async function rules(): Promise<string[]> {
  return (await listRules(db)).map(({ scope, rule }) => `${formatScope(scope)}: ${describeRule(rule)}`)
}

test('retention rules are set, changed and removed', async (t) => {
  const page = '/admin/retention'
  const path = `${page}/rules`
  const set = { act: 'set', of: 'origin', name: 'acme' }
  t.equal((await send(jane, '/admin/tokens', path, { ...set, keep_last: '3' })).statusCode, 403)
  t.equal((await send(admin, page, path, { ...set, keep_last: '3', newer_than: '90d' })).statusCode, 303)
  t.strictSame(await rules(), ['origin acme: the last 3, newer than 90d'])
  t.match((await admin.get(page)).body, /value="90d" name="newer_than"/)
  await send(admin, page, path, { ...set, promoted_to: 'delivered, union' })
  t.strictSame(await rules(), ['origin acme: ever in delivered or union'])
  for (const [fields, marked] of [
    [{ ...set, keep_last: 'three' }, 'keep_last'],
    [{ ...set, newer_than: 'long ago' }, 'newer_than'],
    [{ act: 'set', of: 'view', name: '', history: '3d' }, 'name'],
  ] as const) {
    const { statusCode, body } = await send(admin, page, path, fields)
    t.equal(statusCode, 400)
    t.match(body, `id="fault-${marked}"`)
  }
  t.equal((await send(admin, page, path, set)).statusCode, 400, 'a rule that keeps nothing')
  t.equal((await send(admin, page, path, { ...set, act: 'remove' })).statusCode, 303)
  t.strictSame(await rules(), [])
})

test('a webhook is changed, asked for again and given another secret', async (t) => {
  const page = '/admin/webhooks'
  await send(admin, page, page, { name: 'ci', url: 'https://9.9.9.9/hooks/a' })
  const path = `${page}/ci`
  t.equal((await send(admin, path, `${path}/change`, { views: 'union', kinds: 'promotion' })).statusCode, 303)
  t.match((await admin.get(path)).body, /promotion of union/)
  const refused = await send(admin, path, `${path}/change`, { views: 'union, not a view!' })
  t.equal(refused.statusCode, 400)
  t.match(refused.body, 'id="fault-views"')
  t.equal((await send(admin, path, `${path}/replay`, { from: '1', to: '' })).statusCode, 303)
  t.equal((await send(admin, path, `${path}/replay`, { from: '5', to: '2' })).statusCode, 400)
  const made = await send(admin, path, path, { act: 'secret' })
  t.match(made.body, /whsec_[\w+/=]+/)
  t.match(made.body, 'also signs until')
})

const ORIGINS = '/admin/origins'

test('a form that is sent twice makes one thing, and both answers lead to it', async (t) => {
  const { headers } = await send(jane, '/plans/new?view=rehearsal', '/plans', {
    view: 'rehearsal',
    act: 'promote',
    releases: APP[2] ?? '',
  })
  const plan = String(headers.location)
  for (const [browser, page, path, fields] of [
    [admin, '/views', '/views', { name: 'twice', rule: 'promoted' }],
    [admin, '/admin/accounts', '/admin/accounts', { account: 'twice' }],
    [ann, ORIGINS, ORIGINS, { name: 'twice', default_visibility: 'public' }],
    [ann, `${ORIGINS}/twice`, `${ORIGINS}/twice/keys/generate`, {}],
    [ann, `${ORIGINS}/twice`, `${ORIGINS}/twice/invitations`, { account: 'jane' }],
    [jane, plan, `${plan}/preview`, { name: 'twice-next' }],
    [jane, plan, plan, { action: 'propose', reason: 'twice' }],
  ] as const) {
    const form = { ...(await browser.hiddenFields(page, path)), ...fields }
    const first = await browser.post(path, form)
    t.equal(first.statusCode, 303, path)
    const entries = await countEntries()
    started.setClock(depot.now() + 60_000)
    const second = await browser.post(path, form)
    t.equal(second.headers.location, first.headers.location, path)
    t.equal(await countEntries(), entries, path)
  }
})

async function countEntries(): Promise<number> {
  const query = db.selectFrom('ledger').select(db.fn.countAll<number>().as('count'))
  return (await query.executeTakeFirstOrThrow()).count
}

test('a form with other fields makes another thing, although its page is the same', async (t) => {
  const form = await admin.hiddenFields('/views')
  for (const name of ['one', 'other'])
    t.equal(
      (await admin.post('/views', { ...form, name, rule: 'promoted' })).headers.location,
      `/views/${name}`,
    )
})

test('the secret of a webhook is not lost when its form is sent twice', async (t) => {
  const page = '/admin/webhooks'
  const path = `${page}/kept`
  for (const [from, to, fields] of [
    [page, page, { name: 'kept', url: 'https://9.9.9.9/hooks/kept' }],
    [path, path, { act: 'secret' }],
  ] as const) {
    const form = { ...(await admin.hiddenFields(from, to)), ...fields }
    const secrets = []
    for (let times = 0; times < 2; times += 1)
      secrets.push(/whsec_[\w+/=]+/.exec((await admin.post(to, form)).body)?.[0])
    t.ok(secrets[0])
    t.equal(secrets[1], secrets[0])
    await send(admin, path, path, { act: 'pause' })
    await send(admin, path, path, { act: 'resume' })
    const late = await admin.post(to, form)
    t.equal(late.statusCode, 409, 'the secret may be another one by then')
    t.notMatch(late.body, 'whsec_')
  }
})

test('the key of another depot is trusted', async (t) => {
  const page = '/admin/trusted-keys'
  const refused = await send(admin, page, page, { name: 'north', file: 'no key' })
  t.equal(refused.statusCode, 422)
  t.match(refused.body, 'value="north"')
  t.notMatch((await jane.get(page)).body, 'Trust another depot')
})

test('every view is frozen and thawed by administrators', async (t) => {
  const page = '/admin/freezes'
  t.equal((await jane.get(page)).statusCode, 403)
  t.equal((await send(admin, page, page, { reason: 'a fair', period: 'long' })).statusCode, 400)
  t.equal((await send(admin, page, page, { reason: 'a fair', period: '2d' })).statusCode, 303)
  t.match((await jane.get('/views/acceptance')).body, /Frozen<\/b> in every view by admin/)
  t.equal((await send(admin, page, `${page}/thaw`, { origin: '', name: '' })).statusCode, 303)
  t.notMatch((await jane.get('/views/acceptance')).body, 'in every view')
})

test('a plan is previewed, and the preview ends', async (t) => {
  const { headers } = await send(jane, '/plans/new?view=rehearsal', '/plans', {
    view: 'rehearsal',
    act: 'promote',
    releases: APP[2] ?? '',
  })
  const plan = String(headers.location)
  const refused = await send(jane, plan, `${plan}/preview`, { name: 'rehearsal' })
  t.equal(refused.statusCode, 409)
  t.match(refused.body, /<details class="closed" open><summary>Preview it/)
  const made = await send(jane, plan, `${plan}/preview`, { name: 'rehearsal-next' })
  t.equal(made.headers.location, '/views/rehearsal-next')
  const page = '/views/rehearsal-next'
  t.match((await jane.get(page)).body, /preview of rehearsal.*1\.2\.0/s)
  t.notMatch((await new FormBrowser(app).get(page)).body, `${page}/end`)
  t.equal((await send(jane, page, `${page}/end`)).statusCode, 303)
  t.match((await jane.get(page)).body, 'closed')
})

test('only an empty view is closed', async (t) => {
  t.notMatch((await jane.get('/views/union')).body, '/views/union/end')
  const { statusCode, body } = await send(admin, '/views/union', '/views/union/end')
  t.equal(statusCode, 409)
  t.match(body, 'role="alert"')
})
