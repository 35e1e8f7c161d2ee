import { test } from 'tap'
import { openWindow, review, startBrowser } from '../support/browser/browser.ts'
import { commandsOn } from '../support/command.ts'
import { APP, startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'

const browser = await startBrowser(fileTest())

test('the pipeline shows what runs where', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await page.goto(started.url)
  const row = page.locator('tr', { hasText: 'acme/app' })
  t.strictSame(await row.locator('td').evaluateAll((cells) => cells.map((cell) => cell.className)), [
    'alone',
    'same',
    'behind',
    'behind',
    'behind',
  ])
  t.match(await row.locator('td').last().textContent(), '1.0.0')
  t.match(await page.locator('thead').first().textContent(), /delivered.*frozen/)
  await review(t, page, 'pipeline')
  await page.getByLabel('only differences').check()
  await page.getByRole('button', { name: 'Filter' }).click()
  t.equal(await page.locator('.pipeline tbody tr').count(), 4)
  await page.getByLabel('Name contains').fill('nothing like this')
  await page.getByRole('button', { name: 'Filter' }).click()
  await review(t, page, 'pipeline-empty')
})

test('a promotion made elsewhere appears, marked, and moves nothing that a person reads', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await page.goto(started.url)
  await page.getByText('live', { exact: true }).waitFor()
  await page.getByLabel('Name contains').fill('half typed')
  const { code } = await commandsOn(started)(['promote', 'rehearsal', APP[2] ?? '', '--yes'])
  t.equal(code, 0)
  const cell = page.locator(`td.changed[data-cell="${APP[2]}"]`)
  await cell.waitFor()
  t.equal(await page.getByLabel('Name contains').inputValue(), 'half typed')
  t.equal(await page.evaluate('document.activeElement.name'), 'name')
})
