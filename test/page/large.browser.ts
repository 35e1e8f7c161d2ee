import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { fill, viewOf } from '../../bench/fillings/million-rows.ts'
import { openWindow, review, startBrowser } from '../support/browser/browser.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { startDepot } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())

test('a depot with 10,000 packages: pages, and all rows at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await fill(folder, { releases: 10_000, packages: 10_000, origins: 2, views: 3 })
  const { url } = await startDepot(t, { folder, listen: true })
  const { page } = await openWindow(t, browser)
  const views = [viewOf(0), viewOf(1), viewOf(2)].join(',')
  await page.goto(`${url}/?views=${views}`)
  t.equal(await page.locator('.pipeline tbody tr').count(), 100)
  await review(t, page, 'pipeline-large')
  await page.getByRole('link', { name: 'Next page' }).click()
  await page.getByRole('link', { name: 'First page' }).waitFor()
  await page.getByRole('link', { name: 'Show all rows' }).click()
  await page.getByRole('link', { name: 'Show pages' }).waitFor()
  t.equal(await page.locator('.pipeline tbody tr').count(), 10_000)
  t.equal(
    await page.getByText('package09998', { exact: false }).count(),
    1,
    'the search of the browser finds it',
  )
})
