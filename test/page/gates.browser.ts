import { test } from 'tap'
import { openWindow, review, signIn, startBrowser } from '../support/browser/browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { publishAll } from '../support/origin.ts'
import { makeReleases } from '../support/release-rows.ts'
import { fileTest } from '../support/runner/run-files.ts'
import type { Gates } from '../../src/views/view.ts'

// Each gate as a person meets it. plan.browser.ts has the freeze, and test/http/page/acts.test.ts has the form
// that sets gates.

const file = fileTest()
const browser = await startBrowser(file)
const started = await startCompany(file)
const { depot, url } = started
const actor = { client: 'tests', door: 'cli' } as const
const DAY_MS = 24 * 3_600_000
const [first = '', , third = '', fourth = ''] = APP
const NEEDY = 'acme/needy/1.0.0/20260105120000'
const FOREIGN = 'other/thing/1.0.0/20260105120000'

await publishAll(started, { ident: NEEDY, deps: [third], tdeps: [third] })
await makeReleases(started, FOREIGN)
const { page } = await openWindow(file, browser)
await signIn(page, url, JANE_TOKEN)

/** Replaces the gates of rehearsal. */
async function setGates(gates: Gates): Promise<void> {
  await depot.writer.submit({ kind: 'setGates', input: { view: 'rehearsal', gates }, actor })
}

async function revisionsNow(): Promise<unknown> {
  return depot.db.selectFrom('views').select(['name', 'revision']).execute()
}

const REFUSED: readonly (readonly [gate: string, gates: Gates, release: string, says: RegExp])[] = [
  ['requires', { requires: [{ view: 'union', as: 'member' }] }, fourth, /1\.3\.0.*is not in union/],
  [
    'requires',
    { requires: [{ view: 'union', as: 'current', soakMs: 30 * DAY_MS }] },
    third,
    /must stay there until 2026-/,
  ],
  [
    'requires',
    { requires: [{ view: 'union', as: 'member', phases: ['smoke'] }] },
    third,
    /smoke.*failed|failed.*smoke/,
  ],
  ['closure', { closure: 'view' }, NEEDY, /needy.*→.*acme\/app\/1\.2\.0/s],
  ['downgrade', { downgrade: 'refuse' }, first, /go down from.*1\.1\.0.*to.*1\.0\.0/],
  ['settle', { settleMs: 7 * DAY_MS }, third, /must stay until 2026-/],
  ['approval', { approval: { expiresMs: DAY_MS } }, third, /approval of a second person/],
]

test('a gate that refuses is named on the plan, with what broke it, and nothing can be applied', async (t) => {
  const before = await revisionsNow()
  for (const [index, [gate, gates, release, says]] of REFUSED.entries()) {
    await setGates(gates)
    await page.goto(`${url}/plans/new?view=rehearsal&act=promote`)
    await page.getByLabel('Idents, one a line').fill(release)
    await page.getByRole('button', { name: 'Show the plan' }).click()
    const blocked = page.getByLabel('Blocked')
    t.equal(await blocked.locator('b').nth(1).textContent(), gate)
    t.match(await blocked.textContent(), says, gate)
    t.ok(await page.getByRole('button', { name: 'Apply' }).isDisabled(), gate)
    await review(t, page, `plan-blocked-${index + 1}-${gate}`)
  }
  t.strictSame(await revisionsNow(), before)
})

test('a release that is yanked after its plan was made is refused', async (t) => {
  await setGates({})
  await page.goto(`${url}/plans/new?view=rehearsal&act=promote&releases=${fourth}`)
  await page.getByRole('button', { name: 'Show the plan' }).click()
  await page.getByRole('button', { name: 'Apply' }).waitFor()
  const input = { ident: fourth, target: 'x86_64-linux', mark: 'yanked', reason: 'loses data' } as const
  await depot.writer.submit({ kind: 'markRelease', input, actor })
  const before = await revisionsNow()
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByRole('alert').first().waitFor()
  t.match(await page.locator('main').textContent(), /yanked.*loses data/s)
  t.strictSame(await revisionsNow(), before)
})

test('a revert of what has moved again is refused as a conflict', async (t) => {
  await page.goto(`${url}/views/acceptance`)
  await page.locator('#revision-2').getByRole('link', { name: 'Revert this' }).click()
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.getByLabel('Blocked').textContent(), /conflict.*acme\/app/s)
  t.ok(await page.getByRole('button', { name: 'Apply' }).isDisabled())
})

test('those who may not change the releases of an origin, or the view, read why', async (t) => {
  const before = await revisionsNow()
  await setGates({})
  await page.goto(`${url}/plans/new?view=rehearsal&act=promote`)
  await page.getByLabel('Idents, one a line').fill(FOREIGN)
  await page.getByRole('button', { name: 'Show the plan' }).click()
  t.match(await page.getByRole('alert').textContent(), 'jane is not a maintainer of the origin other')
  t.equal(await page.getByLabel('Idents, one a line').inputValue(), FOREIGN, 'what was typed stays')
  await setGates({ promoters: ['robot'] })
  await page.goto(`${url}/views/rehearsal`)
  t.equal(await page.getByRole('link', { name: 'Promote into rehearsal' }).count(), 0)
  await page.goto(`${url}/plans/new?view=rehearsal&act=promote`)
  t.match(await page.locator('main').textContent(), /ane may not change rehearsal/)
  t.strictSame(await revisionsNow(), before)
})
