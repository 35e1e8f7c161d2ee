import { test } from 'tap'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

// Pages that no other test looks at, as an administrator sees them.

const browser = await startBrowser(fileTest())

const PAGES: Readonly<Record<string, string>> = {
  gates: '/views/union/gates',
  marks: `/pkgs/${APP[0]}/marks`,
  history: '/views/rehearsal/history',
  'view-administrator': '/views/delivered',
  'rollback-form': '/plans/new?view=delivered&act=rollback&to=2',
  'revert-form': '/plans/new?view=delivered&act=revert&revision=2',
  'search-nothing': '/search?q=nothing+like+this',
  'search-help': '/search',
  'activity-filtered': '/activity?view=delivered',
}

test('each page is accessible, and fits into narrow windows', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, ADMIN_TOKEN)
  for (const [name, path] of Object.entries(PAGES)) {
    await page.goto(`${url}${path}`)
    for (const summary of await page.locator('main summary').all()) await summary.click()
    await review(t, page, name)
  }
})

test('a webhook: its secret once, and its page', async (t) => {
  const { url } = await startCompany(t, { DEPOT_WEBHOOK_NETWORKS: '127.0.0.1' })
  const { page } = await openWindow(t, browser)
  await signIn(page, url, ADMIN_TOKEN, '/admin/webhooks')
  await page.getByLabel('Name', { exact: true }).fill('chat')
  await page.getByLabel('URL').fill('http://127.0.0.1:9/hooks/depot')
  await page.getByRole('button', { name: 'Add' }).click()
  await review(t, page, 'admin-webhook-made')
  await page.getByRole('link', { name: 'Its deliveries' }).click()
  await review(t, page, 'admin-webhook')
})

test('a change that is not allowed, and a page that is for administrators', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await page.goto(`${url}/admin/accounts`)
  t.equal(new URL(page.url()).pathname, '/sign-in')
  await signIn(page, url, JANE_TOKEN)
  await page.goto(`${url}/admin/accounts`)
  await page.getByRole('heading', { name: 'You may not do this' }).waitFor()
  await review(t, page, 'forbidden')
})
