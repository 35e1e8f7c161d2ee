import { test } from 'tap'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())

const PAGES = [
  '/admin',
  '/admin/origins',
  '/admin/origins/acme',
  '/admin/tokens',
  '/admin/accounts',
  '/admin/storage',
  '/admin/retention',
  '/admin/retention/dry-run',
  '/admin/freezes',
  '/admin/webhooks',
  '/admin/upstream',
  '/admin/trusted-keys',
  '/admin/health',
  '/admin/audit',
]

test('the pages of the administration', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, ADMIN_TOKEN, '/admin')
  for (const path of PAGES) {
    await page.goto(`${url}${path}`)
    await review(t, page, path.slice(1).replaceAll('/', '-'))
  }
  await page.goto(`${url}/admin/retention`)
  await page.getByLabel('Its name').fill('acme')
  await page.getByLabel('The highest releases of each package').fill('few')
  await page.getByRole('button', { name: 'Set the rule' }).click()
  await page.getByRole('alert').waitFor()
  t.equal(await page.getByLabel('The highest releases of each package').inputValue(), 'few')
  t.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'alert')
  await review(t, page, 'admin-retention-refused')
  await page.getByLabel('The highest releases of each package').fill('3')
  await page.getByRole('button', { name: 'Set the rule' }).click()
  await page.waitForURL(/\/admin\/retention$/)
  t.match(await page.locator('main table').textContent(), /origin acme.*the last 3/s)
  await review(t, page, 'admin-retention-rules')
  await page.goto(`${url}/admin/tokens`)
  await page.locator('input[name=label]').fill('laptop')
  await page.locator('input[name=actions][value=read]').check()
  await page.getByRole('button', { name: 'Make the token' }).click()
  t.match(await page.locator('main pre').textContent(), /^hart_/)
  await review(t, page, 'admin-token-made')
  await page.getByRole('link', { name: 'Narrow or revoke it' }).click()
  await page.locator('summary').click()
  await review(t, page, 'admin-token')
  await page.locator('button.danger').click()
  await page.waitForURL(/\/admin\/tokens$/)
  t.match(await page.locator('main table').textContent(), /laptop.*revoked/s)
})
