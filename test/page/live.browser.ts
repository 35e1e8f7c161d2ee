import { test } from 'tap'
import type { Page } from 'playwright-core'
import { openWindow, signIn, startBrowser } from '../support/browser/browser.ts'
import { commandsOn } from '../support/command.ts'
import { APP, LIB, ROBOT_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { startProxy } from '../support/http/proxy.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { startDepot } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())
/** So low that every page is longer than the window. */
const LOW = { viewport: { width: 1024, height: 320 } }

async function whenLive(page: Page): Promise<void> {
  await page.getByText('live', { exact: true }).waitFor()
}

/** Returns how far an element is from the top of the window. */
async function topOf(page: Page, selector: string): Promise<number> {
  return page.locator(selector).evaluate((element) => Math.round(element.getBoundingClientRect().top))
}

test('a promotion in one window appears in others, marked, and moves nothing there', async (t) => {
  const { url } = await startCompany(t)
  const { page: history } = await openWindow(t, browser, LOW)
  await history.goto(`${url}/views/rehearsal`)
  await whenLive(history)
  await history.locator('#revision-1').scrollIntoViewIfNeeded()
  await history.locator('#revision-1 a').first().focus()
  const { page: pipeline } = await openWindow(t, browser)
  await pipeline.goto(url)
  await whenLive(pipeline)
  const [top, focused] = [await topOf(history, '#revision-1'), await focusOf(history)]

  const { page: robot } = await openWindow(t, browser)
  await signIn(robot, url, ROBOT_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
  await robot.getByRole('button', { name: 'Show the plan' }).click()
  await robot.getByRole('button', { name: 'Apply' }).click()
  await robot.waitForURL(/revisions\/3$/)

  const moved = pipeline.locator('td.changed')
  await moved.first().waitFor()
  const idents = await moved.evaluateAll((cells) => cells.map((cell) => cell.getAttribute('data-cell')))
  t.strictSame(idents, [APP[2], LIB[1]], 'exactly what moved is marked')
  await history.locator('#revision-3.changed').waitFor({ state: 'attached' })
  t.equal(await topOf(history, '#revision-1'), top, 'what a person reads stays where it is')
  t.equal(await focusOf(history), focused, 'and so does the focus')
})

async function focusOf(page: Page): Promise<unknown> {
  return page.evaluate('document.activeElement.outerHTML')
}

test('a depot that goes away is said, and what it missed appears when it is back', async (t) => {
  const first = await startCompany(t)
  let depotUrl = first.url
  const { url } = await startProxy(t, () => depotUrl)
  const { page } = await openWindow(t, browser)
  await page.goto(url)
  await whenLive(page)
  await first.close()
  await page.getByText('not connected', { exact: true }).waitFor()
  const second = await startDepot(t, { folder: first.folder, listen: true })
  second.setClock(first.depot.now())
  const { code } = await commandsOn(second, ROBOT_TOKEN)(['promote', 'rehearsal', APP[2] ?? '', '--yes'])
  t.equal(code, 0)
  depotUrl = second.url
  await whenLive(page)
  await page.locator(`td.changed[data-cell="${APP[2]}"]`).waitFor()
})

test('a connection that is silent is said, and a new one is made', async (t) => {
  const { url } = await startCompany(t)
  const network = await startCuttableProxy(t, Number(new URL(url).port))
  const { page } = await openWindow(t, browser)
  await page.clock.install()
  await page.goto(`http://127.0.0.1:${network.port}`)
  await whenLive(page)
  network.cut()
  const { code } = await commandsOn({ url }, ROBOT_TOKEN)(['promote', 'rehearsal', APP[2] ?? '', '--yes'])
  t.equal(code, 0)
  await page.clock.runFor(60_000)
  await page.getByText('not connected', { exact: true }).waitFor()
  network.mend()
  await whenLive(page)
  await page.locator(`td.changed[data-cell="${APP[2]}"]`).waitFor()
})

test('what a person typed, opened and sorted stays when the page changes', async (t) => {
  const started = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, started.url, ADMIN_TOKEN, '/views/acceptance')
  await whenLive(page)
  await page.getByText('Freeze acceptance', { exact: true }).click()
  await page.getByLabel('Reason').fill('the end of the')
  await page.getByLabel('Only the origin').focus()
  const table = page.locator('main table').first()
  const names = async () => table.locator('tbody th').allTextContents()
  const upwards = await names()
  await table.getByRole('button', { name: 'Sort by Package' }).dblclick()
  t.strictSame(await names(), upwards.toReversed())
  const { code } = await commandsOn(started, ROBOT_TOKEN)(['promote', 'acceptance', APP[0] ?? '', '--yes'])
  t.equal(code, 0)
  await table.locator(`td.changed[data-cell="${APP[0]}"]`).waitFor()
  t.strictSame(await names(), upwards.toReversed())
  t.equal(await page.getByLabel('Reason').inputValue(), 'the end of the')
})
