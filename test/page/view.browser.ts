import { test } from 'tap'
import { openWindow, review, startBrowser } from '../support/browser/browser.ts'
import { startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'

const browser = await startBrowser(fileTest())

test('a view shows what it has now and had before, its rules and its history', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  const injected: string[] = []
  page.on('dialog', (dialog) => {
    injected.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(`${started.url}/views/delivered`)
  t.match(await page.locator('main').textContent(), 'Frozen')
  t.match(await page.locator('.history').textContent(), '<b>logins</b> fail & customers call')
  t.equal(await page.locator('.history .reason b').count(), 0, 'reasons are text')
  await review(t, page, 'view')
  await page.goto(`${started.url}/views/union`)
  t.match(await page.locator('main').textContent(), 'must have been so for 2 days')
  await review(t, page, 'view-gates')
  await page.goto(`${started.url}/views/delivered?at=2`)
  t.match(await page.locator('table').first().textContent(), '1.1.0')
  await review(t, page, 'view-past')
  await page.goto(`${started.url}/views/delivered/history`)
  t.equal(await page.locator('tbody tr').count(), 3)
  await page.getByRole('link', { name: '3', exact: true }).click()
  t.match(await page.locator('main').textContent(), /rolled back to revision 1.*lower/s)
  await review(t, page, 'revision')
  t.strictSame(injected, [])
})
