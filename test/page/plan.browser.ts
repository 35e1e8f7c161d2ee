import { test } from 'tap'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { commandsOn } from '../support/command.ts'
import { APP, JANE_TOKEN, ROBOT_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())

async function latest(url: string, view: string): Promise<string> {
  const answer = await fetch(`${url}/v1/depot/views/${view}/pkgs/acme/app/latest`)
  const { ident } = (await answer.json()) as { ident: Record<string, string> }
  return `acme/app/${ident.version}/${ident.release}`
}

for (const javaScriptEnabled of [true, false])
  test(`plan, apply, and a poll sees it, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async (t) => {
    const { url } = await startCompany(t)
    const { page } = await openWindow(t, browser, { javaScriptEnabled })
    await signIn(page, url, JANE_TOKEN, '/views/rehearsal')
    if (javaScriptEnabled) await review(t, page, 'view-signed-in')
    await page.getByRole('link', { name: 'Promote into rehearsal' }).click()
    await page.locator('select[name=from]').selectOption('union')
    await page.getByLabel('Reason').fill('<i>ready</i> & tested')
    if (javaScriptEnabled) await review(t, page, 'plan-form')
    await page.getByRole('button', { name: 'Show the plan' }).click()
    t.match(await page.locator('main').textContent(), /acme\/app.*1\.1\.0.*1\.2\.0/s)
    t.equal(await latest(url, 'rehearsal'), APP[1], 'the plan changes nothing')
    if (javaScriptEnabled) await review(t, page, 'plan')
    const apply = page.getByRole('button', { name: 'Apply' })
    await apply.click()
    await page.waitForURL(/\/views\/rehearsal\/revisions\/3$/)
    t.match(await page.locator('main').textContent(), '<i>ready</i> & tested')
    t.equal(await latest(url, 'rehearsal'), APP[2])
    await page.goBack()
    await page.reload()
    t.match(await page.locator('main').textContent(), 'it made revision 3', 'the plan says what became of it')
    t.equal(await page.getByRole('button', { name: 'Apply' }).count(), 0)
  })

for (const javaScriptEnabled of [true, false])
  test(`a double click applies a plan once, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async (t) => {
    const { url, depot } = await startCompany(t)
    const { page } = await openWindow(t, browser, { javaScriptEnabled })
    await signIn(page, url, JANE_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
    await page.getByRole('button', { name: 'Show the plan' }).click()
    const plan = page.url()
    await page.getByRole('button', { name: 'Apply' }).dblclick()
    await page
      .getByText('Applied')
      .or(page.getByRole('heading', { name: 'revision 3' }))
      .first()
      .waitFor()
    await page.goto(plan)
    t.match(await page.locator('main').textContent(), 'it made revision 3')
    const { revision } = await depot.db
      .selectFrom('views')
      .select('revision')
      .where('name', '=', 'rehearsal')
      .executeTakeFirstOrThrow()
    t.equal(revision, 3)
  })

test('going back while the depot applies a plan, and forward again, shows what became of it', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, JANE_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  const plan = page.url()
  const { promise: applied, resolve } = Promise.withResolvers<void>()
  await page.route(plan, async (route) => {
    if (route.request().method() !== 'POST') return route.continue()
    await route.fetch({ maxRedirects: 0 }) // the depot applies it, and its answer never comes
    resolve()
  })
  await page.getByRole('button', { name: 'Apply' }).click({ noWaitAfter: true })
  await applied
  await page.goBack().catch(() => undefined) // throws, because it ends the navigation that has no answer
  await page.getByRole('button', { name: 'Show the plan' }).waitFor()
  await page.goForward()
  await page.getByText('it made').waitFor()
  t.equal(await page.getByRole('button', { name: 'Apply' }).count(), 0)
  t.equal(await latest(url, 'rehearsal'), APP[2])
  await page.goBack()
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.locator('main').textContent(), 'Nothing would change', 'and it is not applied twice')
})

test('a plan that became stale is shown anew, and nothing is applied', async (t) => {
  const started = await startCompany(t)
  const { url } = started
  const { page } = await openWindow(t, browser)
  await signIn(page, url, JANE_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).waitFor()
  const { code } = await commandsOn(started, ROBOT_TOKEN)(['promote', 'rehearsal', APP[3] ?? '', '--yes'])
  t.equal(code, 0)
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByRole('alert').waitFor()
  t.match(await page.getByRole('alert').textContent(), /Nothing was applied.*1\.3\.0 → 1\.2\.0/s)
  t.match(await page.locator('main').textContent(), /downgraded/)
  t.match(await page.locator('main').textContent(), /--update-condition track-channel/)
  t.equal(await latest(url, 'rehearsal'), APP[3])
  await review(t, page, 'plan-stale')
})

test('a freeze blocks a plan, and an administrator may override it with a reason', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, JANE_TOKEN, '/plans/new?view=delivered&act=promote&from=rehearsal')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.getByLabel('Blocked').textContent(), 'freeze')
  t.ok(await page.getByRole('button', { name: 'Apply' }).isDisabled())
  await review(t, page, 'plan-blocked')
  const { page: admin } = await openWindow(t, browser)
  await signIn(admin, url, ADMIN_TOKEN, new URL(page.url()).pathname)
  await admin.getByLabel('Reason for overriding').fill('the customer waits')
  await admin.getByRole('button', { name: 'Apply' }).click()
  await admin.waitForURL(/revisions\/4$/)
  t.match(await admin.locator('main').textContent(), 'the customer waits')
})

test('a proposal is approved by another person, and not by its author', async (t) => {
  const { url } = await startCompany(t)
  const { page: jane } = await openWindow(t, browser)
  await signIn(jane, url, JANE_TOKEN, '/changes')
  await jane.getByRole('link', { name: 'promote', exact: true }).click()
  await jane.getByRole('button', { name: 'Withdraw' }).waitFor()
  t.equal(await jane.getByRole('button', { name: 'Approve and apply' }).count(), 0)
  const { page: robot } = await openWindow(t, browser)
  await signIn(robot, url, ROBOT_TOKEN, new URL(jane.url()).pathname)
  await review(t, robot, 'proposal')
  await robot.getByRole('button', { name: 'Approve and apply' }).click()
  await robot.waitForURL(/\/views\/rehearsal\/revisions\/3$/)
  t.match(await robot.locator('main').textContent(), 'jane, approved by robot')
})

test('a rollback of one package, from a row of the history', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, JANE_TOKEN, '/views/acceptance')
  await page.locator('#revision-2').getByRole('link', { name: 'Roll back to this' }).click()
  await page.getByLabel('Name', { exact: true }).fill('app')
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.locator('table').textContent(), /acme\/app.*1\.3\.0.*1\.1\.0/s)
  t.notMatch(await page.locator('table').textContent(), 'web-frontend')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.waitForURL(/\/views\/acceptance\/revisions\/5$/)
  t.equal(await latest(url, 'acceptance'), APP[1])
})

test('a release leads to the plan of promoting it, and a column to that of its neighbour', async (t) => {
  const { url } = await startCompany(t)
  const { page } = await openWindow(t, browser)
  await signIn(page, url, JANE_TOKEN, `/pkgs/${APP[3]}`)
  await review(t, page, 'release-signed-in')
  await page.getByLabel('Promote into').selectOption('rehearsal')
  await page.getByRole('button', { name: 'Plan it' }).click()
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.locator('table').textContent(), /acme\/app.*1\.1\.0.*1\.3\.0/s)
  await page.goto(url)
  await review(t, page, 'pipeline-signed-in')
  await page.getByRole('link', { name: 'Promote from acceptance' }).click()
  t.equal(await page.locator('select[name=from]').inputValue(), 'acceptance')
})
