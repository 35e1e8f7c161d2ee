import { test } from 'tap'
import { APP, JANE_TOKEN, startCompany } from '../../support/browser/page-scene.ts'
import { makeReleases } from '../../support/release-rows.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { FormBrowser } from '../../support/browser/form-browser.ts'

const started = await startCompany(fileTest())
const { app, depot } = started
const [first = '', second = '', third = ''] = APP
const actor = { client: 'tests', door: 'cli' } as const

async function read(url: string): Promise<{ status: number; body: string; text: string; to: unknown }> {
  const { statusCode: status, body, headers } = await app.inject({ url, headers: { accept: 'text/html' } })
  return { status, body, text: body.replaceAll(/<[^>]+>/g, ''), to: headers.location }
}

test('a package shows its way through the views, and all its releases', async (t) => {
  const { body, text } = await read('/pkgs/acme/app')
  for (const view of ['acceptance', 'union', 'rehearsal', 'delivered'])
    t.match(body, new RegExp(`aria-label="${view} had 1\\.0\\.0`))
  t.match(body, 'aria-label="delivered had 1.0.0, then 1.1.0, then 1.0.0"')
  t.match(body, 'class="bar lowered"')
  for (const ident of APP) t.ok(body.includes(`title="${ident}"`), ident)
  t.match(text, 'acme-20260101000000')
  t.equal((await read('/pkgs/acme/absent')).status, 404)
  t.equal((await read('/pkgs/absent')).status, 404)
})

test('a package shows all its targets on each page of its releases', async (t) => {
  const versions = Array.from({ length: 51 }, (_, patch) => `acme/tall/2.0.${patch}/20260101000000`)
  await makeReleases(started, 'acme/tall/1.0.0/20260101000000 for aarch64-linux', ...versions)
  const { body, text } = await read('/pkgs/acme/tall')
  t.notMatch(body, 'acme/tall/1.0.0')
  t.match(text, /x86_64-linux.*aarch64-linux|aarch64-linux.*x86_64-linux/s)
  const [, next = ''] = /rel="next" href="([^"]+)"/.exec(body) ?? []
  t.match((await read(next.replaceAll('&amp;', '&'))).body, 'target=x86_64-linux')
})

test('a release shows where it is, why, and its change', async (t) => {
  const { body, text } = await read(`/pkgs/${third}`)
  t.match(text, /union.*latest/s)
  t.match(body, '/v1/depot/origins/acme/keys/20260101000000')
  t.match(text, 'acme/app 4f1d2c3b')
  t.match(text, 'was at work')
  t.equal((await read('/pkgs/acme/app/9.9.9/20260101000000')).status, 404)
})

test('activity is the ledger, newest first, with filters and pages', async (t) => {
  const rows = async (url: string) =>
    [...(await read(url)).body.matchAll(/<tr id="entry-(\d+)"/g)].map(([, sequence]) => Number(sequence))
  const all = await rows('/activity')
  t.ok(all.length > 20)
  t.strictSame(
    all,
    all.toSorted((a, b) => b - a),
  )
  const promotions = await rows('/activity?kind=promotions&view=delivered&origin=')
  t.equal(promotions.length, 3)
  const [, last = 0] = promotions
  t.strictSame(await rows(`/activity?kind=promotions&view=delivered&before=${last}`), promotions.slice(2))
  t.match((await read('/activity?view=delivered')).text, 'rolled back to revision 1 — &lt;b&gt;logins')
  t.equal((await read('/activity?kind=absent')).status, 400)
})

test('the search finds a view with capital letters', async (t) => {
  await depot.writer.submit({
    kind: 'createView',
    input: { name: 'QA-Prod', rule: 'promoted', maker: 'operator' },
    actor,
  })
  for (const q of ['QA-Prod', 'qa', 'PROD']) t.match((await read(`/search?q=${q}`)).body, '/views/QA-Prod', q)
})

test('what only some may see is on no page of others', async (t) => {
  for (const ident of APP)
    await depot.writer.submit({ kind: 'setVisibility', input: { ident, visibility: 'private' }, actor })
  for (const url of ['/', '/activity', '/changes', '/views/union', '/search?q=app', '/pkgs/acme'])
    t.notMatch((await read(url)).body, 'acme/app', url)
  for (const url of ['/pkgs/acme/app', `/pkgs/${second}`]) t.equal((await read(url)).status, 404, url)
  const jane = new FormBrowser(app)
  await jane.signIn(JANE_TOKEN)
  for (const url of ['/', '/activity', '/changes', '/views/union', '/search?q=app', '/pkgs/acme'])
    t.match((await jane.get(url)).body, 'acme/app', url)
  for (const ident of APP)
    await depot.writer.submit({ kind: 'setVisibility', input: { ident, visibility: 'public' }, actor })
})

test('proposals show to those who may read them in the API', async (t) => {
  t.notMatch((await read('/changes')).text, 'ready for the week')
  const jane = new FormBrowser(app)
  await jane.signIn(JANE_TOKEN)
  t.match((await jane.get('/changes')).body, 'ready for the week')
  t.match((await jane.get('/')).body, '1 proposal waits')
})

test('the search finds packages, views and changes, and leads to what has one name', async (t) => {
  t.match((await read('/search?q=front')).body, '/pkgs/acme/web-frontend')
  t.match((await read('/search?q=reh')).body, '/views/rehearsal')
  t.match((await read('/search?q=4f1d2c3b')).body, '/changes/')
  t.match((await read('/search?q=in:delivered+app')).body, '/pkgs/acme/app')
  const inAbsent = await read('/search?q=in:delivred+app')
  t.notMatch(inAbsent.body, '/pkgs/acme/app')
  t.match(inAbsent.text, /there is no view .*delivred/)
  t.match((await read('/search?q=colour:red')).body, 'role="alert"')
  t.equal((await read(`/search?q=${first}`)).to, `/pkgs/${first}`)
  const { checksum } = await depot.db
    .selectFrom('releases')
    .select('checksum')
    .where('ident', '=', second)
    .executeTakeFirstOrThrow()
  t.equal((await read(`/search?q=${checksum}`)).to, `/pkgs/${second}`)
  t.equal((await read('/search?q=delivered@2')).to, '/views/delivered/revisions/2')
  t.equal((await read('/search?q=delivered@99')).status, 200)
})
