import { test } from 'tap'
import { buildServer } from '../../../src/http/server.ts'
import { FormBrowser } from '../../support/browser/form-browser.ts'
import { makeReleases, makeView, move } from '../../support/release-rows.ts'
import { fileTest } from '../../support/runner/run-files.ts'
import { ADMIN_TOKEN, START, startDepot } from '../../support/start-depot.ts'

const environment = { DEPOT_COUNT_POLLERS: 'on', DEPOT_TRUST_PROXY: '127.0.0.1' }
const started = await startDepot(fileTest(), { environment })
const { app } = started
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000', 'acme/app/2.0.0/20260101000000')
await makeView(started, 'prod', 'promoted')
await move(started, 'promote', 'prod', releases.slice(0, 1))
const admin = new FormBrowser(app)
await admin.signIn(ADMIN_TOKEN)

async function poll(...addresses: string[]): Promise<void> {
  for (const address of addresses)
    await app.inject({
      url: '/v1/depot/channels/acme/prod/pkgs/app/latest',
      headers: { 'x-forwarded-for': address },
    })
}

/** The figures of a page: pollers, those that got the latest release, and the sentence of the chart. */
async function figures(path: string): Promise<string[]> {
  const { body } = await admin.get(path)
  return [...body.matchAll(/>about (\d+)|<summary>(About[^<]+)/g)].map(
    ([, number, sentence]) => number ?? sentence ?? '',
  )
}

test('pages show how many pollers got the latest release, and how fast', async (t) => {
  await poll('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4')
  started.setClock(START + 60_000)
  await move(started, 'promote', 'prod', releases.slice(1))
  t.match((await admin.get('/views/prod')).body, 'no poller has got it yet')
  for (const [minutes, address] of [
    [1, '10.0.0.1'],
    [2, '10.0.0.2'],
    [4, '10.0.0.3'],
  ] as const) {
    started.setClock(START + 60_000 + minutes * 60_000)
    await poll(address)
  }
  const expected = ['4', '3', 'About 3 got it within 4 min.', '1', '2', '3']
  for (const path of ['/views/prod', '/views/prod/revisions/2', '/pkgs/acme/app']) {
    t.strictSame(await figures(path), expected, path)
    const { body } = await admin.get(path)
    t.match(body, 'data-refresh="15"')
    t.match(body, /<path class="taken" d="M0 27H[\d.]+V20\.5H[\d.]+V14H[\d.]+V7\.5/)
  }
  t.strictSame(await figures('/views/prod/revisions/1'), [], 'nothing that it moved is the latest now')
  t.strictSame(await figures('/views/prod?at=2'), [], 'the past has no pollers')
})

test('figures are for those to whom the API shows them', async (t) => {
  const jane = new FormBrowser(app)
  await jane.signIn(await started.account('jane'))
  for (const browser of [jane, new FormBrowser(app)]) {
    const { body } = await browser.get('/views/prod')
    t.notMatch(body, 'id="fleet"')
    t.notMatch(body, 'data-refresh')
  }
})

test('a depot that does not count says so', async (t) => {
  const uncounted = await startDepot(t)
  await makeView(uncounted, 'prod', 'promoted')
  const browser = new FormBrowser(uncounted.app)
  await browser.signIn(ADMIN_TOKEN)
  t.match((await browser.get('/views/prod')).body, 'DEPOT_COUNT_POLLERS=on')
})

test('a release that was the latest before the depot began to count has no chart', async (t) => {
  const later = await buildServer(started.depot)
  t.teardown(() => later.close())
  await later.inject('/v1/depot/channels/acme/prod/pkgs/app/latest')
  const browser = new FormBrowser(later)
  await browser.signIn(ADMIN_TOKEN)
  const { body } = await browser.get('/views/prod')
  t.match(body, 'the depot has started to count after that')
  t.match(body, 'about 1')
})
