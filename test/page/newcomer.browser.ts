import { test } from 'tap'
import { openWindow, signIn, startBrowser } from '../support/browser/browser.ts'
import { commandsOn } from '../support/command.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())
const [OLD, NEW] = ['acme/app/1.0.0/20260101120000', 'acme/app/1.1.0/20260102120000'] as const

test('from an empty depot to a promotion, a rollback and an approval, by links and forms alone', async (t) => {
  const started = await startDepot(t, { listen: true })
  const { url } = started
  const { page } = await openWindow(t, browser)
  await page.goto(url)
  await page.getByText('live', { exact: true }).waitFor()
  await makeOrigin(started)
  await publishAll(started, OLD)
  await page.getByRole('link', { name: 'acme/app' }).waitFor()
  t.equal(await page.locator('h1').textContent(), 'Pipeline', 'the first upload appears by itself')

  await page.getByRole('link', { name: 'Sign in', exact: true }).click()
  await page.getByLabel('Token').fill(ADMIN_TOKEN)
  await page.getByRole('button', { name: 'Sign in with a token' }).click()
  await page.getByRole('link', { name: 'Promote from unstable' }).click()
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL(/acceptance\/revisions\/1$/)
  await publishAll(started, NEW)
  await page.getByRole('link', { name: 'Pipeline', exact: true }).first().click()
  await page.getByRole('link', { name: 'Promote from unstable' }).click()
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL(/acceptance\/revisions\/2$/)

  await page.getByRole('link', { name: 'acceptance', exact: true }).first().click()
  await page.getByRole('link', { name: 'Roll back', exact: true }).click()
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.locator('main table').textContent(), /1\.1\.0.*1\.0\.0/s, 'the last change is undone')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL(/acceptance\/revisions\/3$/)

  await page.getByRole('link', { name: 'acceptance', exact: true }).first().click()
  await page.getByRole('link', { name: 'Change the rules' }).click()
  await page.getByLabel('a second person must approve each change').check()
  await page.getByRole('button', { name: 'Replace the rules' }).click()
  await page.getByRole('link', { name: 'Promote into acceptance' }).click()
  await page.locator('select[name=from]').selectOption('unstable')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.getByLabel('Blocked').textContent(), 'approval')
  await page.getByRole('button', { name: 'Propose, for somebody to approve' }).click()
  await page.getByText('A second person must approve it').waitFor()

  const run = commandsOn(started)
  const second = await started.account('second')
  await run(['origin', 'add-member', 'acme', 'second', '--role', 'maintainer'])
  const { page: other } = await openWindow(t, browser)
  await signIn(other, url, second, '/changes')
  await other.getByRole('link', { name: 'promote', exact: true }).click()
  await other.getByLabel(/Type the name of the view/).fill('acceptance')
  await other.getByRole('button', { name: 'Approve and apply' }).click()
  await other.waitForURL(/acceptance\/revisions\/4$/)
  t.match(await other.locator('main').textContent(), 'admin, approved by second')
})
