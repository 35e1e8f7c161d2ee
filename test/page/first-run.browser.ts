import { test } from 'tap'
import { review, openWindow, startBrowser } from '../support/browser/browser.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { startDepot } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())

test('an empty depot shows how to upload and promote, with its own URL', async (t) => {
  const { url } = await startDepot(t, { listen: true })
  const { page } = await openWindow(t, browser)
  const answers: string[] = []
  page.on('response', (response) => answers.push(new URL(response.url()).pathname))
  await page.goto(url)
  t.equal(await page.locator('h1').textContent(), 'This depot is empty')
  t.match(await page.locator('main').textContent(), `hart-depot login ${url} --with-token`)
  await page.locator('[data-copy]').first().waitFor()
  t.equal(answers.filter((path) => path !== '/live').length, 3, 'a page needs three requests')
  await review(t, page, 'first-run')
})

test('an unknown page is a page', async (t) => {
  const { url } = await startDepot(t, { listen: true })
  const { page } = await openWindow(t, browser)
  const answer = await page.goto(`${url}/views/absent/there`)
  t.equal(answer?.status(), 404)
  await review(t, page, 'absent')
})
