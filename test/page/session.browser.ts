import { test } from 'tap'
import type { Page } from 'playwright-core'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { JANE_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN, START } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())
const NINE_HOURS_MS = 9 * 3_600_000
const actor = { client: 'tests', door: 'cli' } as const

/** What ends the session of a token of jane. */
const ENDS: Readonly<Record<string, (started: TestDepot, tokenId: number) => Promise<unknown> | void>> = {
  'its token is revoked': ({ depot }, tokenId) =>
    depot.writer.submit({ kind: 'revokeToken', input: { tokenId }, actor }),
  'its account is disabled': ({ depot }, _tokenId) =>
    depot.writer.submit({ kind: 'disableAccount', input: { account: 'jane', isDisabled: true }, actor }),
  'nobody used it for nine hours': (started) => started.setClock(started.depot.now() + NINE_HOURS_MS),
}

async function revisionOf({ depot }: TestDepot): Promise<number> {
  const query = depot.db.selectFrom('views').select('revision').where('name', '=', 'rehearsal')
  return (await query.executeTakeFirstOrThrow()).revision
}

async function openPlan(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).waitFor()
}

for (const [what, end] of Object.entries(ENDS))
  test(`a session ends while its plan is read: ${what}`, async (t) => {
    const started = await startCompany(t)
    const { id } = await started.depot.db
      .selectFrom('tokens')
      .innerJoin('accounts', 'accounts.id', 'tokens.account_id')
      .select('tokens.id')
      .where('accounts.name', '=', 'jane')
      .executeTakeFirstOrThrow()
    const { page } = await openWindow(t, browser)
    await signIn(page, started.url, JANE_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
    await openPlan(page)
    const plan = page.url()
    await end(started, id)
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.getByRole('heading', { name: 'Sign in to go on' }).waitFor()
    t.match(await page.locator('main').textContent(), 'Nothing was changed')
    t.equal(await revisionOf(started), 2)
    if (what.includes('token')) await review(t, page, 'session-ended')
    await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click()
    await page.getByLabel('Token').fill(ADMIN_TOKEN)
    await page.getByRole('button', { name: 'Sign in with a token' }).click()
    await page.waitForURL(plan)
    t.match(await page.locator('h1').textContent(), 'Plan for rehearsal')
  })

test('a session that ended in another window of the browser changes nothing', async (t) => {
  const started = await startCompany(t)
  const { page, window } = await openWindow(t, browser)
  await signIn(page, started.url, JANE_TOKEN, '/plans/new?view=rehearsal&act=promote&from=union')
  await openPlan(page)
  const other = await window.newPage()
  await other.goto(started.url)
  await other.getByRole('button', { name: 'Sign out' }).click()
  await other.getByRole('link', { name: 'Sign in', exact: true }).waitFor()
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByRole('heading', { name: 'You may not do this' }).waitFor()
  t.equal(await revisionOf(started), 2)
})

test('a page that follows a closed depot says that it is out of date once its session has ended', async (t) => {
  const started = await startCompany(t, { DEPOT_ANONYMOUS: 'none' })
  const { page } = await openWindow(t, browser)
  await signIn(page, started.url, JANE_TOKEN)
  await page.getByText('live', { exact: true }).waitFor()
  started.setClock(START + 24 * 6 * 3_600_000)
  await started.depot.writer.submit({
    kind: 'freeze',
    input: { view: 'union', reason: 'lunch' },
    actor,
  })
  await page.getByText('out of date: load the page again', { exact: true }).waitFor()
  t.notMatch(await page.locator('main').textContent(), 'lunch')
})
