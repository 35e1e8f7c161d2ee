import { test } from 'tap'
import { openWindow, signIn, startBrowser } from '../support/browser/browser.ts'
import { APP, JANE_TOKEN, startCompany } from '../support/browser/page-scene.ts'
import { callApi } from '../support/call-api.ts'
import { publishAll } from '../support/origin.ts'
import { fileTest } from '../support/runner/run-files.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

// Everything that people and programs can type is HTML here, on every page that shows it. A script that ran,
// or that the policy of the page had to stop, is an error in the console, and fails the test.

const browser = await startBrowser(fileTest())

const HOSTILE = `"'></title></textarea></pre><b class="injected">x</b><img class="injected" src="x" onerror="alert(1)"><script>alert(2)</script>&lt;`
/** One word, for fields that allow no space. */
const WORD = `"'><b/class="injected"><script>alert(3)</script>`
const RELEASE = 'acme/hostile/1.0.0/20260105120000'

test('what people type is text on every page', async (t) => {
  const started = await startCompany(t)
  const { url } = started
  const call = async (method: 'POST' | 'PUT', path: string, body: unknown, token = ADMIN_TOKEN) => {
    const answer = await callApi(started, method, `/api/v1${path}`, {
      body,
      token,
      headers: { 'user-agent': WORD },
    })
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.text}`)
    return answer.body as Record<string, unknown>
  }
  const release = { ident: RELEASE, target: 'x86_64-linux' }
  await publishAll(started, {
    ident: RELEASE,
    manifest: `# ${RELEASE}\n\n* __Maintainer__: ${HOSTILE}`,
    config: `text = '''${HOSTILE}'''`,
    svcUser: WORD,
    svcGroup: WORD,
  })
  await call('POST', '/views/acceptance/promotions', { releases: [release], reason: HOSTILE })
  await call('POST', '/views/acceptance/rollbacks', { to: 3, reason: HOSTILE })
  for (const mark of ['deprecation', 'hold', 'yank'])
    await call('PUT', `/releases/${APP[0]}/${mark}`, { reason: HOSTILE })
  await call('PUT', '/views/union/freeze', { reason: HOSTILE })
  const planned = { act: 'promote', releases: [release], reason: HOSTILE }
  const { plan } = await call('POST', '/views/rehearsal/plans', planned, JANE_TOKEN)
  const { plan: proposal } = await call('POST', '/views/rehearsal/proposals', planned, JANE_TOKEN)
  const { id: change } = await call('POST', '/changes', {
    project: 'acme/hostile',
    change: WORD,
    commit: WORD,
    branch: HOSTILE,
    url: `https://git.example/${WORD}`,
  })
  await call('POST', `/changes/${String(change)}/releases`, { release: RELEASE })
  await call('POST', `/changes/${String(change)}/phases`, {
    phase: 'smoke',
    view: 'acceptance',
    status: 'failed',
    job: `https://ci.example/${WORD}`,
    message: HOSTILE,
  })
  const { id: token } = await call('POST', '/tokens', { account: 'jane', label: HOSTILE })

  const { page } = await openWindow(t, browser)
  await signIn(page, url, ADMIN_TOKEN)
  const query = encodeURIComponent(HOSTILE)
  for (const [path, shown] of Object.entries({
    '/': undefined,
    [`/?name=${query}&origin=${query}`]: HOSTILE,
    '/views/acceptance': HOSTILE,
    '/views/acceptance/history': HOSTILE,
    '/views/acceptance/revisions/6': HOSTILE,
    '/views/union': HOSTILE,
    '/views/union/gates': undefined,
    '/pkgs/acme': undefined,
    '/pkgs/acme/hostile': undefined,
    [`/pkgs/${RELEASE}`]: HOSTILE,
    [`/pkgs/${APP[0]}`]: HOSTILE,
    [`/pkgs/${APP[0]}/marks`]: HOSTILE,
    '/activity': HOSTILE,
    '/changes': HOSTILE,
    [`/changes?project=${query}`]: undefined,
    [`/changes/${String(change)}`]: HOSTILE,
    [`/plans/${String(plan)}`]: HOSTILE,
    [`/plans/${String(proposal)}`]: HOSTILE,
    [`/plans/new?view=rehearsal&reason=${query}&releases=${query}&name=${query}`]: undefined,
    [`/search?q=${query}`]: HOSTILE,
    '/search?q=hostile': undefined,
    [`/views/${query}`]: undefined,
    [`/pkgs/${query}/${query}`]: undefined,
    '/admin/tokens?account=jane': HOSTILE,
    [`/admin/tokens/${String(token)}`]: HOSTILE,
    [`/admin/audit?account=${query}`]: undefined,
    '/admin/origins/acme': undefined,
    '/admin/retention/dry-run': undefined,
  })) {
    await page.goto(`${url}${path}`)
    t.equal(await page.locator('.injected').count(), 0, path)
    t.equal(await page.locator('script').count(), 1, path)
    if (shown === undefined) continue
    const values = await page
      .locator('input')
      .evaluateAll((fields) => fields.map((field) => field.getAttribute('value')))
    const text = `${(await page.locator('body').textContent()) ?? ''}${values.join(' ')}`
    t.ok(text.includes(shown), `${path} shows it`)
  }
})
