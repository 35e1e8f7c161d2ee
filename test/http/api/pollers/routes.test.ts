import tap, { test } from 'tap'
import { ask } from '../../../support/ask.ts'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn } from '../../../support/command.ts'
import { bearer } from '../../../support/origin.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

const environment = { DEPOT_COUNT_POLLERS: 'on', DEPOT_TRUST_PROXY: '127.0.0.1' }
const started = await startDepot(tap, { listen: true, environment })
const releases = await makeReleases(started, 'acme/app/1.0.0/20260101000000', 'acme/app/2.0.0/20260101000000')
await makeView(started, 'prod', 'promoted')
await move(started, 'promote', 'prod', releases.slice(0, 1))

const poll = async (path: string, headers: Record<string, string> = {}) =>
  ask(`${started.url}/v1/depot/${path}`, { headers })
const pollers = async (query = '') => (await callApi(started, 'GET', `/api/v1/pollers${query}`)).body

test('pollers are told apart by their addresses, on the fast path and beside it', async (t) => {
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.1'])
    await poll('channels/acme/prod/pkgs/app/latest', { 'x-forwarded-for': address })
  await poll('views/prod/depot/channels/acme/stable/pkgs/app/latest', { 'x-forwarded-for': '10.0.0.3' })
  await poll('channels/acme/prod/pkgs/app/latest', { 'x-forwarded-for': '10.0.0.2', te: 'x' }) // by node:http
  t.match(await pollers(), {
    counting: true,
    window_seconds: 300,
    lines: [
      { view: 'prod', package: 'acme/app', target: 'x86_64-linux', pollers: 3, revision: 1, up_to_date: 3 },
    ],
  })
  await move(started, 'promote', 'prod', releases.slice(1))
  t.match(await pollers(), { lines: [{ pollers: 3, revision: 2, up_to_date: 0, uptake: [] }] })
  await poll('channels/acme/prod/pkgs/app/latest', { 'x-forwarded-for': '10.0.0.2' })
  t.match(await pollers('?view=prod'), {
    lines: [{ pollers: 3, revision: 2, up_to_date: 1, uptake: [{ pollers: 1 }] }],
  })
  t.match(await pollers('?view=other'), { lines: { length: 0 } })
  t.match(
    (await commandsOn(started)(['pollers', 'prod'])).stdout,
    /^prod +acme\/app +x86_64-linux +about 3 +about 1$/m,
  )
  const { text } = await ask(`${started.url}/metrics`)
  t.match(text, 'hart_depot_pollers{view="prod"} 3')
})

test('polls for absent names and with wrong tokens are counted by name, and status shows them', async (t) => {
  await poll('views/prd/depot/channels/acme/stable/pkgs/app/latest', { 'user-agent': 'hab-sup/2.0.450' })
  await poll('channels/acme/ghost/pkgs/app/latest')
  for (const _ of [1, 2]) await poll('channels/acme/prod/pkgs/nope/latest')
  await poll('channels/acme/prod/pkgs/app/latest', bearer('wrong'))
  await ask(`${started.url}/api/v1/whoami`, { headers: bearer('wrong') }) // no poll
  t.match(await pollers(), {
    absent_views: [
      { view: 'ghost', polls: 1 },
      { view: 'prd', polls: 1 },
    ],
    absent_packages: [{ view: 'prod', package: 'acme/nope', polls: 2 }],
    refused_addresses: [{ address: '127.0.0.1', polls: 1 }],
  })
  t.match(await commandsOn(started)(['status']), {
    code: 0,
    stdout:
      /views that do not exist: ghost, prd\.\n.*acme\/nope in prod\.\n.*without a valid token, from these addresses: 127\.0\.0\.1\./,
  })
  t.match((await commandsOn(started)(['pollers'])).stdout, /^acme\/nope was not found in prod +2 /m)
  t.match((await ask(`${started.url}/metrics`)).text, 'hart_depot_polled_absent_names{what="view"} 2')
  t.match((await callApi(started, 'GET', '/api/v1/pollers?format=text')).text, /acme\/nope is not in prod +2/)
})

test('only administrators see the pollers', async (t) => {
  const token = await started.account('jane')
  t.equal((await callApi(started, 'GET', '/api/v1/pollers', { token })).status, 403)
  const { code, stdout } = await commandsOn(started, token)(['status'])
  t.equal(code, 0)
  t.notMatch(stdout, 'ghost')
})
