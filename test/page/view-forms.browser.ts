import { test } from 'tap'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

// Forms that create, change and compare views. test/http/page/acts.test.ts has who may send them.

const browser = await startBrowser(fileTest())

test('an administrator creates a view, and changes its settings, without scripts', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser, { javaScriptEnabled: false })
  await signIn(page, url, ADMIN_TOKEN)
  await page.getByRole('link', { name: 'All views' }).click()
  await page.getByLabel('Name').fill('union')
  await page.getByRole('button', { name: 'Create' }).click()
  t.match(await page.getByRole('alert').textContent(), /union exists already/)
  t.equal(await page.getByLabel('Name').inputValue(), 'union')
  await page.getByLabel('Name').fill('canary')
  await page.getByRole('button', { name: 'Create' }).click()
  await page.waitForURL(/\/views\/canary$/)
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByLabel('Origins').fill('core')
  await page.getByRole('button', { name: 'Save' }).click()
  t.match(await page.locator('main').textContent(), /Packages of core come from the channel/)
})

test('the forms of a view', async (t) => {
  const { url, depot } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, ADMIN_TOKEN, '/views')
  await review(t, page, 'views')
  await page.goto(`${url}/views/union/settings`)
  await page.getByLabel('Origins').fill('No Origin')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').waitFor()
  await review(t, page, 'view-settings')
  await page.getByRole('link', { name: 'Change what is latest' }).click()
  await review(t, page, 'plan-new-set-rule')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).waitFor()
  await review(t, page, 'plan-set-rule')
  await page.goto(`${url}/views/union/gates`)
  await depot.writer.submit({
    kind: 'setGates',
    input: { view: 'union', gates: { closure: 'depot', settleMs: 180_000 } },
    actor: { client: 'tests', door: 'cli' },
  })
  await page.getByLabel('Promoters').fill('jane')
  await page.getByRole('button', { name: 'Replace the rules' }).click()
  t.match(await page.getByLabel('The rules now').textContent(), 'it rests for 3 minutes')
  t.equal(await page.getByLabel('Promoters').inputValue(), 'jane')
  await review(t, page, 'view-gates-outdated')
  await page.getByRole('button', { name: 'Replace the rules' }).click()
  await page.waitForURL(/\/views\/union$/)
})

test('two views are compared, and the difference is promoted', async (t) => {
  const { url, depot } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await depot.writer.submit({
    kind: 'createView',
    input: { name: 'a-view-whose-name-is-quite-long', rule: 'highest', maker: 'operator' },
    actor: { client: 'tests', door: 'cli' },
  })
  await signIn(page, url, ADMIN_TOKEN, '/views/rehearsal')
  await page.getByRole('link', { name: 'Compare with another view' }).click()
  await page.getByLabel('With the view').selectOption('acceptance')
  await page.getByRole('button', { name: 'Compare' }).click()
  await page.getByRole('heading', { name: 'Compare rehearsal and acceptance' }).waitFor()
  t.match(await page.locator('tr', { hasText: 'acme/app' }).textContent(), /1\.1\.0.*1\.3\.0.*higher/s)
  await review(t, page, 'compare')
  await page.goto(`${url}/views/rehearsal/compare?with=a-view-whose-name-is-quite-long`)
  await review(t, page, 'compare-long')
  await page.goBack()
  await page.getByRole('link', { name: 'Promote into rehearsal' }).click()
  await page.getByRole('heading', { name: 'Promote into rehearsal' }).waitFor()
  t.equal(await page.locator('select[name=from]').inputValue(), 'acceptance')
})
