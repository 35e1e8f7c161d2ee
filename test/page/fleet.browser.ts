import { test } from 'tap'
import { openWindow, review, startBrowser } from '../support/browser/browser.ts'
import { APP, startCompany } from '../support/browser/page-scene.ts'
import { ask } from '../support/ask.ts'
import { commandsOn } from '../support/command.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN, START } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())
const NOW = START + 24 * 6 * 3_600_000

test('after a promotion, its page shows how many pollers got the release', async (t) => {
  const started = await startCompany(t, { DEPOT_COUNT_POLLERS: 'on', DEPOT_TRUST_PROXY: '127.0.0.1' })
  const poll = async (address: number, name = 'app') =>
    ask(`${started.url}/v1/depot/channels/acme/rehearsal/pkgs/${name}/latest`, {
      headers: { 'x-forwarded-for': `10.0.0.${address}` },
    })
  started.setClock(NOW)
  for (let address = 1; address <= 40; address += 1) {
    await poll(address)
    await poll(address, 'lib')
  }
  await commandsOn(started, ADMIN_TOKEN)(['promote', 'rehearsal', APP[3] ?? '', '--yes'])
  for (let address = 1; address <= 30; address += 1) {
    started.setClock(NOW + Math.round((address / 30) ** 2 * 120_000))
    await poll(address)
  }
  const { page } = await openWindow(t, browser)
  await page.clock.install()
  await page.goto(`${started.url}/sign-in?to=/views/rehearsal`)
  await page.getByLabel('Token').fill(ADMIN_TOKEN)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${started.url}/views/rehearsal`)
  const figures = page.locator('#fleet')
  t.match(await figures.textContent(), /acme\/app.*about (3[5-9]|4[0-5]).*about (2[6-9]|3[0-4])/s)
  await figures.locator('summary').first().click()
  await review(t, page, 'fleet-view')

  const before = (await figures.locator('td[data-cell]').first().textContent()) ?? ''
  for (let address = 31; address <= 40; address += 1) await poll(address)
  await page.clock.runFor(15_000)
  await figures.locator('td[data-cell]').first().filter({ hasNotText: before }).waitFor()
  t.ok((await figures.locator('details').first().getAttribute('open')) !== null, 'what was open stays open')
  await page.goto(`${started.url}/pkgs/acme/app`)
  await review(t, page, 'fleet-package')
})
