import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { getToken, listTokens } from '../../../src/accounts/account-store.ts'
import { sqliteFileOf } from '../../../src/config/database.ts'
import { listMembers } from '../../../src/origins/origin-store.ts'
import { FormBrowser } from '../../support/browser/form-browser.ts'
import { JANE_TOKEN, startCompany } from '../../support/browser/page-scene.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../../support/start-depot.ts'

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

/** Sends a form of a page. */
async function send(browser: FormBrowser, page: string, path: string, fields: Record<string, string>) {
  return browser.post(path, { ...(await browser.hiddenFields(page, path)), ...fields })
}

/** The role of an account in acme. */
async function roleOf(name: string) {
  const members = await listMembers(db, 'acme', { after: undefined, limit: 10 })
  return members.find(({ account }) => account === name)?.role
}

/** Each page, and what a member of acme without other rights gets. */
const PAGES: Readonly<Record<string, number>> = {
  '/admin': 200,
  '/admin/origins': 200,
  '/admin/origins/acme': 200,
  '/admin/tokens': 200,
  '/admin/tokens?all=true': 403,
  '/admin/tokens?account=robot': 403,
  '/admin/accounts': 403,
  '/admin/storage': 200,
  '/admin/retention': 200,
  '/admin/retention/dry-run': 403,
  '/admin/retention/dry-run?origin=acme': 403,
  '/admin/freezes': 403,
  '/admin/webhooks': 403,
  '/admin/upstream': 403,
  '/admin/trusted-keys': 200,
  '/admin/health': 403,
  '/admin/audit': 403,
}

for (const [path, forMember] of Object.entries(PAGES))
  test(`${path} is for those who may`, async (t) => {
    const anonymous = await new FormBrowser(app).get(path)
    t.equal(anonymous.statusCode, 303)
    t.match(anonymous.headers.location, /^\/sign-in\?to=/)
    const member = await jane.get(path)
    t.equal(member.statusCode, forMember)
    if (forMember === 403) t.match(member.body, 'You may not do this')
    const { statusCode, body } = await admin.get(path)
    t.equal(statusCode, 200, body)
    t.match(body, /<h1>/)
  })

test('the administration names only the pages that the caller may see', async (t) => {
  t.notMatch((await jane.get('/admin')).body, '/admin/accounts')
  t.match((await admin.get('/admin')).body, '/admin/accounts')
})

test('members and tokens of others are shown to those who may see them', async (t) => {
  await depot.writer.submit({
    kind: 'addAccount',
    input: { name: 'stranger' },
    actor: { client: 'tests', door: 'cli' },
  })
  const answer = await send(admin, '/admin/tokens', '/admin/tokens', {
    account: 'stranger',
    label: '<b>of</b> a stranger',
  })
  const [secret = ''] = /hart_[\w-]{43}/.exec(answer.body) ?? []
  t.match(answer.body, '&lt;b&gt;of')
  const stranger = await signedIn(secret)
  t.equal((await stranger.get('/admin/origins/acme')).statusCode, 403)
  const [token] = await listTokens(db, { account: 'stranger' })
  t.equal((await stranger.get(`/admin/tokens/${token?.id}`)).statusCode, 200)
  t.equal((await jane.get(`/admin/tokens/${token?.id}`)).statusCode, 404)
  t.equal((await admin.get(`/admin/tokens/${token?.id}`)).statusCode, 200)
})

test('a token is made once, shown once, narrowed and revoked', async (t) => {
  const fields = { once: 'b'.repeat(32), label: 'laptop', actions: 'read', origins: 'acme', expires: '90d' }
  const made = await send(jane, '/admin/tokens', '/admin/tokens', fields)
  t.equal(made.statusCode, 200)
  const [secret = ''] = /hart_[\w-]{43}/.exec(made.body) ?? []
  const again = await send(jane, '/admin/tokens', '/admin/tokens', fields)
  t.match(again.body, secret, 'a form that is sent again shows the same token')
  const laptops = (await listTokens(db, { account: 'jane' })).filter(({ label }) => label === 'laptop')
  t.equal(laptops.length, 1)
  const [{ id, scope } = { id: 0, scope: {} }] = laptops
  t.strictSame(scope, { actions: ['read'], origins: ['acme'] })
  const path = `/admin/tokens/${id}`
  t.notMatch((await jane.get('/admin/tokens')).body, secret)
  t.notMatch((await jane.get(path)).body, secret)

  t.equal((await send(jane, path, `${path}/narrow`, { actions: 'upload' })).statusCode, 403, 'a gain')
  t.equal((await send(jane, path, `${path}/narrow`, { views: 'union, rehearsal' })).statusCode, 303)
  t.strictSame((await getToken(db, id)).scope.views, ['union', 'rehearsal'])
  t.equal((await send(jane, path, `${path}/revoke`, {})).statusCode, 303)
  t.ok((await getToken(db, id)).revokedAt)
})

test('a form without the token of its page changes nothing', async (t) => {
  const { statusCode } = await admin.post('/admin/accounts', { _csrf: 'x', account: 'forged' })
  t.equal(statusCode, 403)
  t.notMatch((await admin.get('/admin/accounts')).body, 'forged')
})

test('accounts are added, disabled and enabled by administrators', async (t) => {
  const page = '/admin/accounts'
  t.equal((await send(jane, '/admin/tokens', page, { account: 'ann' })).statusCode, 403)
  t.equal((await send(admin, page, page, { account: 'ann', email: '' })).statusCode, 303)
  t.equal((await send(admin, page, page, { account: 'ann' })).statusCode, 409)
  t.equal((await send(admin, page, `${page}/ann`, { state: 'disabled' })).statusCode, 303)
  t.match((await admin.get(page)).body, /ann<.*disabled/s)
  t.equal((await send(admin, page, `${page}/ann`, { state: 'enabled' })).statusCode, 303)
})

test('roles are given and taken by administrators of the origin', async (t) => {
  const page = '/admin/origins/acme'
  const path = `${page}/members`
  t.equal(
    (await send(jane, '/admin/tokens', path, { account: 'jane', role: 'administrator' })).statusCode,
    403,
  )
  t.notMatch((await jane.get(page)).body, 'name="role"')
  t.equal((await send(admin, page, path, { account: 'robot', role: 'member' })).statusCode, 303)
  t.equal(await roleOf('robot'), 'member')
  t.equal((await send(admin, page, path, { account: 'robot', role: 'none' })).statusCode, 303)
  t.equal(await roleOf('robot'), undefined)
})

test('a webhook is added, paused, resumed and removed', async (t) => {
  const page = '/admin/webhooks'
  const fields = {
    name: 'chat',
    url: 'https://9.9.9.9/hooks/secret',
    views: 'delivered',
    kinds: 'promotion',
  }
  t.equal((await send(jane, '/admin/tokens', page, fields)).statusCode, 403)
  const made = await send(admin, page, page, fields)
  const [secret = ''] = /whsec_[\w+/=]+/.exec(made.body) ?? []
  t.ok(secret, made.body)
  const list = await admin.get(page)
  t.notMatch(list.body, 'hooks/secret', 'the list shows the host alone')
  const path = `${page}/chat`
  t.notMatch((await admin.get(path)).body, secret)
  t.equal((await send(admin, path, path, { act: 'pause' })).statusCode, 303)
  t.match((await admin.get(path)).body, /paused<.*by an administrator/s)
  t.equal((await send(admin, path, path, { act: 'resume' })).statusCode, 303)
  t.equal((await send(admin, path, path, { act: 'remove' })).statusCode, 303)
  t.equal((await admin.get(path)).statusCode, 404)
})

test('a webhook with names that cannot exist is refused', async (t) => {
  const page = '/admin/webhooks'
  const fields = { name: 'wrong', url: 'https://9.9.9.9/', kind: '' }
  for (const wrong of [{ views: 'a/b' }, { origins: 'UPPER' }, { url: 'ftp://9.9.9.9/' }])
    t.equal((await send(admin, page, page, { ...fields, ...wrong })).statusCode, 400, JSON.stringify(wrong))
  const made = await send(admin, page, page, { ...fields, views: ' , ', origins: ',' })
  t.match(made.body, /whsec_.*everything/s, 'no name is no filter')
})

test('a webhook keeps a long address and many names', async (t) => {
  const page = '/admin/webhooks'
  const url = `https://9.9.9.9/${'a'.repeat(1_500)}`
  const origins = Array.from({ length: 100 }, (_, index) => `team-${index}`).join(', ')
  t.match((await send(admin, page, page, { name: 'long', url, origins })).body, 'whsec_')
  const path = `${page}/long`
  t.match((await admin.get(path)).body, origins)
  t.equal((await send(admin, path, `${path}/change`, { url: `${url}/b`, origins })).statusCode, 303)
  t.equal((await send(admin, path, path, { act: 'remove' })).statusCode, 303)
})

test('a refused form whose page cannot be shown gets a page with the reason', async (t) => {
  const long = { account: 'a'.repeat(700) }
  const release = '/pkgs/acme/app/1/20260101000000/marks?target=none'
  for (const path of ['/admin/tokens', '/admin/tokens/abc/narrow', `/plans/${'a'.repeat(200)}`, release]) {
    const { statusCode, headers, body } = await send(admin, '/admin/tokens', path, long)
    t.equal(statusCode, 400, path)
    t.match(headers['content-type'], 'text/html', path)
    t.match(body, '<h1>', path)
  }
})

test('a fault behind the page of a refused form stays in the log', async (t) => {
  const page = '/admin/retention'
  const fields = { _csrf: await admin.formToken(page), of: 'nothing' }
  const file = new BetterSqlite3(sqliteFileOf(depot.config))
  t.teardown(() => file.close())
  file.exec('alter table retention_rules rename to elsewhere')
  const { headers, body } = await admin.post(`${page}/rules`, fields)
  file.exec('alter table elsewhere rename to retention_rules')
  t.match(headers['content-type'], 'text/html')
  t.notMatch(body, 'retention_rules')
})

test('a token whose form has only commas is not narrowed', async (t) => {
  const page = '/admin/tokens'
  const fields = { label: 'commas', account: '', expires: '' }
  t.equal((await send(admin, page, page, { ...fields, origins: ',', views: ' , ' })).statusCode, 200)
  const tokens = await listTokens(db, { account: 'admin', after: undefined, limit: 100 })
  t.strictSame(tokens.find(({ label }) => label === 'commas')?.scope, {})
})

test('quotas are set and removed by administrators', async (t) => {
  const page = '/admin/storage'
  const path = `${page}/quota`
  t.equal((await send(jane, '/admin/tokens', path, { quota: '1GiB' })).statusCode, 403)
  t.equal((await send(admin, page, path, { quota: 'much' })).statusCode, 400)
  t.equal((await send(admin, page, path, { origin: 'acme', quota: '20GiB' })).statusCode, 303)
  t.match((await jane.get(page)).body, '20.0 GiB')
  t.equal((await send(admin, page, path, { origin: 'acme', quota: '' })).statusCode, 303)
  t.notMatch((await jane.get(page)).body, '20.0 GiB')
})

test('a rule of a version is refused, and sets none for its package', async (t) => {
  const fields = { of: 'package', name: 'acme/app/1.0.0', act: 'set', keep_last: '1' }
  t.equal((await send(admin, '/admin/retention', '/admin/retention/rules', fields)).statusCode, 400)
  t.notMatch((await admin.get('/admin/retention')).body, 'package acme/app')
})

test('a dry run says why each release stays', async (t) => {
  const { body } = await admin.get('/admin/retention/dry-run?origin=acme&name=app&only=')
  t.match(body, /acme\/app.*stays/s)
})

test('a depot without an upstream has nothing to refresh', async (t) => {
  t.equal((await send(admin, '/admin/tokens', '/admin/upstream/refresh', {})).statusCode, 404)
})
