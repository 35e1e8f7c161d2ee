import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import type { Page } from 'playwright-core'
import { openWindow, signIn, startBrowser } from '../support/browser/browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'
import type { TestDepot } from '../support/start-depot.ts'

// Other sites that a person opens in the browser in which they are signed in. A site on another port of the
// host of the depot is the same site for cookies, so the browser sends the session with its forms.

const browser = await startBrowser(fileTest())

/** Starts a site of one page. Returns its URL on each name of this host. */
async function startSite(t: { teardown(fn: () => void): unknown }, html: string): Promise<string[]> {
  const server = createServer((_request, answer) => {
    answer.writeHead(200, { 'content-type': 'text/html', 'referrer-policy': 'unsafe-url' }).end(html)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return ['127.0.0.1', 'localhost'].map((host) => `http://${host}:${(server.address() as AddressInfo).port}`)
}

/** Writes a form that sends itself as soon as its page is open. */
function formOf(method: 'get' | 'post', action: string, fields: Readonly<Record<string, string>>): string {
  const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`)
  return `<!doctype html><form method="${method}" action="${action}">${inputs.join('')}</form><script>document.forms[0].submit()</script>`
}

/** Opens a plan that jane may apply. */
async function openPlan(page: Page, url: string): Promise<void> {
  await signIn(page, url, JANE_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).waitFor()
}

async function countEntries({ depot }: TestDepot): Promise<number> {
  const { sequence } = await depot.db
    .selectFrom('ledger')
    .select('sequence')
    .orderBy('sequence', 'desc')
    .executeTakeFirstOrThrow()
  return sequence
}

test('a form that another site sends changes nothing, even with the token of a form', async (t) => {
  const started = await startCompany(t)
  const { page, window } = await openWindow(t, browser)
  await openPlan(page, started.url)
  const plan = page.url()
  const token = await page.locator('.decision [name=_csrf]').inputValue()
  const entries = await countEntries(started)
  for (const [action, fields] of [
    [plan, { action: 'apply', _csrf: token }],
    [`${started.url}/views/rehearsal/freeze`, { reason: 'forged', _csrf: token }],
    [`${started.url}/sign-out`, { _csrf: token }],
    [`${started.url}/sign-in`, { token: 'of-somebody-else', to: '/', _csrf: token }],
  ] as const)
    for (const site of await startSite(t, formOf('post', action, fields))) {
      await page.goto(site)
      await page.getByRole('heading', { name: 'You may not do this' }).waitFor()
      t.match(await page.locator('main').textContent(), 'sent by another site', `${site} to ${action}`)
    }
  const other = await window.newPage()
  await other.goto((await startSite(t, '<!doctype html><title>other</title>'))[0] ?? '')
  await other.evaluate(
    ([address, csrf]) =>
      fetch(address, {
        method: 'POST',
        mode: 'no-cors',
        credentials: 'include',
        body: new URLSearchParams({ action: 'apply', _csrf: csrf }),
      }),
    [plan, token] as const,
  )
  t.equal(await countEntries(started), entries)
  await page.goto(plan)
  t.equal(await page.getByRole('button', { name: 'Apply' }).count(), 1, 'jane is signed in, and may apply it')
})

test('a link, an image or a form of another site that reads changes nothing', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await openPlan(page, started.url)
  const plan = page.url()
  const token = await page.locator('.decision [name=_csrf]').inputValue()
  const entries = await countEntries(started)
  const fields = { action: 'apply', reason: 'forged', _csrf: token }
  for (const action of [
    plan,
    `${started.url}/plans`,
    `${started.url}/views/rehearsal/freeze`,
    `${started.url}/views/delivered/thaw`,
    `${started.url}/pkgs/${APP[0]}/marks`,
    `${started.url}/sign-out`,
    `${started.url}/admin/tokens`,
  ]) {
    const query = new URLSearchParams(fields).toString()
    const image = `<img src="${action}?${query}" alt="">`
    for (const site of await startSite(t, image + formOf('get', action, fields))) {
      await page.goto(site)
      await page.waitForURL((address) => address.href.startsWith(started.url))
    }
  }
  t.equal(await countEntries(started), entries)
  await page.goto(plan)
  t.equal(await page.getByRole('button', { name: 'Apply' }).count(), 1, 'jane is signed in, and may apply it')
})

test('a form of the depot without the token of its session changes nothing', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  const { page: visitor } = await openWindow(t, browser)
  await visitor.goto(`${started.url}/sign-in`)
  const foreign = await visitor.locator('form.stack [name=_csrf]').inputValue()
  await openPlan(page, started.url)
  const plan = page.url()
  const entries = await countEntries(started)
  for (const token of ['', foreign]) {
    await page.goto(plan)
    await page
      .locator('.decision [name=_csrf]')
      .evaluate((field, value) => field.setAttribute('value', value), token)
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByRole('heading', { name: 'You may not do this' }).waitFor()
  }
  t.equal(await countEntries(started), entries)
})
