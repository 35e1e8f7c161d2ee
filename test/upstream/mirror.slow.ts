import tap, { test } from 'tap'
import type { Mirror } from '../../src/client/operations.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { buildHart } from '../support/build-hart.ts'
import { callApi } from '../support/call-api.ts'
import { commandsOn } from '../support/command.ts'
import { startLiar } from '../support/faults/lying-depot.ts'
import { makeOrigin, promoteTo, upload } from '../support/origin.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// A mirror of a real depot, behind a server that may refuse a download.

const STAMP = '20260101120000'
const GLIBC = `core/glibc/2.40/${STAMP}`
const ZLIB = `core/zlib/1.3/${STAMP}`
const REDIS7 = `core/redis/7.0.0/${STAMP}`
const REDIS8 = `core/redis/8.0.0/${STAMP}`
const APP = `acme/app/1.0.0/${STAMP}`
const harts = [
  { ident: GLIBC },
  { ident: ZLIB },
  { ident: REDIS7, tdeps: [GLIBC, ZLIB], deps: [GLIBC, ZLIB] },
  { ident: REDIS8, tdeps: [GLIBC], deps: [GLIBC] },
].map((options) => buildHart(options))

const source = await startDepot(tap, { listen: true })
await makeOrigin(source, 'core')
for (const hart of harts) await upload(source, hart)
for (const hart of harts.slice(2)) await promoteTo(source, 'stable', hart)
let refused: string | undefined
const { url, asked } = await startLiar(tap, source.url, (path, answer) => {
  const lies = refused !== undefined && path.includes(refused)
  if (lies) answer.writeHead(403).end('accept the licence first')
  return lies
})
const site = await startDepot(tap, {
  listen: true,
  environment: {
    DEPOT_UPSTREAM: url,
    DEPOT_UPSTREAM_ORIGINS: 'core',
    DEPOT_MIRROR: 'core/stable',
    DEPOT_MIRROR_VIEWS: 'delivered,nope',
    DEPOT_MIRROR_EVERY: '0',
    DEPOT_MIRROR_RATE: '64MiB',
  },
})
const run = commandsOn(site)
const isDownload = (path: string) => path.includes('/download')
const downloads = () => asked.filter(isDownload).map((path) => path.split('/').slice(5, 7).join('/'))

test('a dry run shows the newest releases and all dependencies, with sizes, and fetches nothing', async (t) => {
  t.match(await run(['upstream', 'refresh', '--quiet']), { code: 0 })
  const { body } = await callApi(site, 'POST', '/api/v1/upstream/mirror', { body: { dry_run: true } })
  const sizes = new Map(harts.map((hart) => [formatIdent(hart.ident), hart.bytes.length]))
  const planned = (...idents: string[]) => ({
    plan: {
      releases: idents.map((ident) => ({ ident, size_bytes: sizes.get(ident) })),
      count: idents.length,
      bytes: idents.reduce((sum, ident) => sum + (sizes.get(ident) ?? 0), 0),
      unknown_sizes: 0,
    },
  })
  t.match(body, planned(REDIS8, GLIBC))

  const [app] = await makeReleases(site, { name: APP, deps: [REDIS7], tdeps: [REDIS7, GLIBC, ZLIB] })
  await move(site, 'promote', 'delivered', app === undefined ? [] : [app])
  const dry = await run(['mirror', '--dry-run', '--json'])
  t.match(JSON.parse(dry.stdout), planned(REDIS8, GLIBC, REDIS7, ZLIB))
  t.match(JSON.parse(dry.stdout), { plan: { absent_views: ['nope'] } })
  t.ok(site.logged.some(({ view, msg }) => view === 'nope' && String(msg).includes('DEPOT_MIRROR_VIEWS')))
  t.strictSame(downloads(), [])
})

test('a run fetches what it can, and the next one the rest', async (t) => {
  refused = '/zlib/1.3/20260101120000/download'
  const first = await run(['mirror'])
  t.match(first, {
    code: 1,
    stdout: /fetched 3 of 4 releases[^]*1 failed[^]*403: accept the licence first \(upstream forbids this: /,
  })
  refused = undefined
  site.setClock(Date.parse('2026-01-01T01:00:00Z')) // a failure is remembered for a while
  const before = downloads().length
  t.match(await run(['mirror', '--json']), { code: 0, stdout: /"fetched": 1/ })
  t.strictSame(downloads().slice(before), ['zlib/1.3'])
  t.match((await callApi(site, 'GET', '/api/v1/upstream/mirror')).body, {
    status: { running: false, planned: 1, fetched: 1, failed: 0, fault: null },
  })
  t.match(await run(['mirror']), { code: 0, stdout: /fetched 0 of 0 releases/ })
  const metrics = await (await fetch(`${site.url}/metrics`)).text()
  t.match(metrics, /^hart_depot_mirror_lacking_releases 0$/m)
  t.match(metrics, /^hart_depot_mirror_last_run_timestamp_seconds 17672\d+/m)
})

test('a run that could not refresh its channels fails, and says so until one succeeds', async (t) => {
  const { status } = (await callApi(site, 'GET', '/api/v1/upstream/mirror')).body as unknown as Mirror
  refused = '/depot/'
  site.setClock(Date.parse('2026-01-01T01:20:00Z'))
  t.match(await run(['mirror']), { code: 1, stdout: /core\/stable was not refreshed: .*403/ })
  t.match((await callApi(site, 'GET', '/api/v1/upstream/mirror')).body, {
    status: { failed: 0, fault: /core\/stable/, succeeded_at: status.succeeded_at },
  })
  t.match(await run(['mirror', '--status']), { stdout: /last complete.* 2026-01-01T01/ })
  const readyz = async () => (await fetch(`${site.url}/readyz`)).json()
  const isFaulty = { ready: true, problems: [{ code: 'mirror', detail: /last run/ }] }
  t.match(await readyz(), isFaulty)
  t.match(
    await (await fetch(`${site.url}/metrics`)).text(),
    /^hart_depot_mirror_succeeded_timestamp_seconds 1767229\d+/m,
  )
  refused = undefined
  site.setClock(Date.parse('2026-01-01T01:40:00Z'))
  t.match(await run(['mirror']), { code: 0 })
  t.match(await readyz(), { problems: [] })
})

test('what a mirror keeps satisfies closure', async (t) => {
  await site.depot.writer.submit({
    kind: 'setGates',
    input: { view: 'union', gates: { closure: 'depot' } },
    actor: { client: 'tests', door: 'cli' },
  })
  t.match(await move(site, 'promote', 'union', [{ ident: APP, target: 'x86_64-linux' }]), { isChanged: true })
})
