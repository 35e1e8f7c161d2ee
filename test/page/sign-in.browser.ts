import { test } from 'tap'
import { openWindow, review, startBrowser } from '../support/browser/browser.ts'
import { CLIENT_ID, startIdentityProvider } from '../support/signin/identity-provider.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

const browser = await startBrowser(fileTest())

for (const javaScriptEnabled of [true, false])
  test(`sign in and out with a token, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async (t) => {
    const { url } = await startDepot(t, { listen: true })
    const { page } = await openWindow(t, browser, { javaScriptEnabled })
    await page.goto(`${url}/account`)
    await page.getByLabel('Token').fill('wrong')
    await page.getByRole('button', { name: 'Sign in with a token' }).click()
    t.match(await page.getByRole('alert').textContent(), 'That did not work')
    if (javaScriptEnabled) await review(t, page, 'sign-in-refused')
    await page.getByLabel('Token').fill(ADMIN_TOKEN)
    await page.getByRole('button', { name: 'Sign in with a token' }).click()
    t.equal(new URL(page.url()).pathname, '/account', 'returns to the page that was asked for')
    t.equal(await page.locator('h1').textContent(), 'admin')
    if (javaScriptEnabled) await review(t, page, 'account')
    await page.getByRole('button', { name: 'Sign out' }).click()
    t.equal(await page.getByRole('link', { name: 'Sign in' }).count(), 1)
    await page.goBack()
    await page.reload()
    t.equal(new URL(page.url()).pathname, '/sign-in', 'the back button shows nothing of the session')
  })

test('sign in by single sign-on, and out', async (t) => {
  const provider = await startIdentityProvider(t)
  provider.people.set('42', { preferred_username: 'jane', groups: ['payments'] })
  const { url, depot } = await startDepot(t, {
    listen: true,
    environment: {
      DEPOT_OIDC_ISSUER: provider.issuer,
      DEPOT_OIDC_CLIENT_ID: CLIENT_ID,
      DEPOT_OIDC_SCOPES: 'openid profile groups',
      DEPOT_OIDC_NEW_ACCOUNTS: 'on',
      DEPOT_ISSUER_NETWORKS: 'any',
    },
  })
  const { page } = await openWindow(t, browser)
  await page.goto(`${url}/sign-in?to=/account`)
  await review(t, page, 'sign-in')
  await page.getByRole('link', { name: 'Sign in with single sign-on' }).click()
  await page.locator('input[name=login]').fill('42')
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.locator('button[type=submit]').click()
  await page.waitForURL(`${url}/account`)
  t.equal(await page.locator('h1').textContent(), 'jane')
  t.match(await page.locator('main').textContent(), 'payments')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(`${url}/`)
  const rows = await depot.db.selectFrom('page_sessions').selectAll().execute()
  t.equal(rows.length, 0)
  const tokens = await depot.db.selectFrom('tokens').select('revoked_at').where('is_brief', '=', 1).execute()
  t.ok(tokens[0]?.revoked_at, 'the token of the session is revoked')
})

test('an answer of the single sign-on that this browser did not ask for signs nobody in', async (t) => {
  const { url } = await startDepot(t, { listen: true })
  const { page } = await openWindow(t, browser)
  const answer = await page.goto(`${url}/sign-in/done?code=stolen&state=other`)
  t.equal(answer?.status(), 400)
})
