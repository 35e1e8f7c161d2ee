import { test } from 'tap'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'

const browser = await startBrowser(fileTest())

test('packages, releases, activity, changes and the search', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await page.goto(`${started.url}/pkgs/acme/app`)
  t.match(await page.locator('main').textContent(), /↓ 1\.0\.0/, 'the rollback shows')
  await review(t, page, 'package')
  await page.getByRole('link', { name: 'acme', exact: true }).click()
  t.equal(await page.locator('tbody tr').count(), 4)
  await review(t, page, 'origin')
  await page.goto(`${started.url}/pkgs/${APP[0]}`)
  await review(t, page, 'release')
  await page.goto(`${started.url}/activity`)
  t.match(await page.locator('main').textContent(), '<b>logins</b> fail & customers call')
  await review(t, page, 'activity')
  await page.goto(`${started.url}/changes`)
  await review(t, page, 'changes-empty')
  await page.keyboard.press('/')
  await page.keyboard.type('front')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'acme/web-frontend' }).waitFor()
  await review(t, page, 'search')
})

test('where changes stand in the phases, and what waits for whom', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, started.url, JANE_TOKEN, '/changes')
  t.match(await page.locator('main').textContent(), /rehearsal: promote — ready for the week/)
  await review(t, page, 'changes')
  await page.locator('tbody a').first().click()
  await review(t, page, 'change')
})
