import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import type { Upstream } from '../../../../src/client/operations.ts'
import { formatIdent } from '../../../../src/package/ident.ts'
import { buildHart } from '../../../support/build-hart.ts'
import { callApi } from '../../../support/call-api.ts'
import { commandsOn } from '../../../support/command.ts'
import { startLiar } from '../../../support/faults/lying-depot.ts'
import { makeOrigin, promoteTo, publishAll } from '../../../support/origin.ts'
import { START, startDepot } from '../../../support/start-depot.ts'
import { until } from '../../../support/until.ts'

const source = await startDepot(tap, { listen: true })
await makeOrigin(source, 'core')
const redis = buildHart({ ident: 'core/redis/7.0.0/20260101120000' })
await publishAll(source, { ident: formatIdent(redis.ident) })
const GLIBC = 'core/glibc/2.40/20260101120000'
const LATER = 'core/zlib/1.4/20260201120000'
const ZLIB = 'core/zlib/1.3/20260101120000'
const [, zlib] = await publishAll(source, GLIBC, ZLIB)
for (const hart of [redis, zlib]) if (hart !== undefined) await promoteTo(source, 'stable', hart)
let isAway = false
const { url: upstreamUrl } = await startLiar(tap, source.url, (_path, answer) => {
  if (isAway) answer.writeHead(403).end('closed for the night')
  return isAway
})
const site = await startDepot(tap, {
  listen: true,
  environment: { DEPOT_UPSTREAM: upstreamUrl, DEPOT_UPSTREAM_ORIGINS: 'core' },
})
const path = `/api/v1/releases/${formatIdent(redis.ident)}`

const state = async () => (await callApi(site, 'GET', '/api/v1/upstream')).body as unknown as Upstream

test('administrators refresh channels, whose releases are then announced', async (t) => {
  t.match(await state(), {
    url: upstreamUrl,
    origins: ['core'],
    channels: [
      { origin: 'core', channel: 'stable', refreshed_at: null, fault: null, held_removals: 0, releases: 0 },
    ],
  })
  t.match(await callApi(site, 'POST', '/api/v1/upstream/refresh'), { status: 200 })
  await until('the channel is refreshed', async () =>
    (await state()).channels.every(({ refreshing }) => !refreshing),
  )
  t.match(await state(), { channels: [{ refreshed_at: /^2026/, fault: null, releases: 2, fetched: 0 }] })
  t.match((await callApi(site, 'GET', path)).body, {
    announced: true,
    signer: '',
    views: [{ view: 'stable' }],
  })
  const text = await callApi(site, 'GET', '/api/v1/upstream?format=text')
  t.match(text.text, /core\/stable +2026\S+ +0 of 2 +ok/)
})

test('a refresh needs an administrator, and names of channels', async (t) => {
  const token = await site.account('dev')
  for (const [method, url] of [
    ['GET', '/api/v1/upstream'],
    ['POST', '/api/v1/upstream/refresh'],
  ] as const)
    t.match(await callApi(site, method, url, { token }), { status: 403 })
  const refresh = (body: object) => callApi(site, 'POST', '/api/v1/upstream/refresh', { body })
  t.match(await refresh({ channels: ['acme/stable'] }), { status: 404 })
  t.match(await refresh({ accept_removals: true }), { status: 400 })
})

test('the command line refreshes and shows what came of it', async (t) => {
  const run = commandsOn(site)
  t.match(await run(['upstream', 'status']), { code: 0, stdout: /core\/stable +2026\S+ +0 of 2 +ok/ })
  t.match(await run(['upstream', 'refresh', 'core/stable', '--quiet']), { code: 0, stdout: 'core/stable\n' })
  t.match(await run(['upstream', 'refresh', 'acme/stable']), { code: 5 })
  await publishAll(source, LATER)
  const later = buildHart({ ident: LATER })
  await promoteTo(source, 'stable', later)
  t.match(await run(['upstream', 'refresh']), {
    code: 0,
    stdout: new RegExp(`stable: 1 release joined, 0 left\\.\n\\+ ${LATER} ${later.target}\n`),
  })
  t.notMatch((await run(['upstream', 'refresh'])).stdout, LATER)
})

test('the command line downloads announced and missing releases', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-upstream-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const download = (ident: string) => commandsOn(site)(['download', ident, folder])
  isAway = true
  t.match(await download(GLIBC), { code: 7, stderr: /closed for the night/ })
  isAway = false
  site.setClock(START + 60_000) // a failure is remembered for a while
  t.match(await download(GLIBC), { code: 0 })
  t.match(await download(ZLIB), { code: 0 })
  t.match(await readdir(folder), [/core-glibc-2.40-.*hart$/, /core-zlib-1.3-.*hart$/])
  t.match(await download('core/glibc/9.99/20260101120000'), { code: 5 })
})

test('a download of an announced release fetches it, and its row then says what its bytes say', async (t) => {
  const url = `${site.url}/v1/depot/pkgs/${formatIdent(redis.ident)}/download?target=${redis.target}`
  const answer = await fetch(url)
  t.equal(answer.status, 200)
  t.ok(Buffer.from(await answer.arrayBuffer()).equals(redis.bytes))
  t.match((await callApi(site, 'GET', path)).body, {
    announced: false,
    signature: 'verified',
    size_bytes: redis.bytes.length,
    views: [{ view: 'stable' }, { view: 'unstable' }],
  })
  t.match(await state(), { channels: [{ releases: 3, fetched: 2 }] })
})

test('channels of a disowned origin are not refreshed', async (t) => {
  const actor = { client: 'tests', door: 'cli' } as const
  const submit = (kind: 'disownOrigin' | 'adoptOrigin') =>
    site.depot.writer.submit({ kind, input: { origin: 'core', upstream: upstreamUrl }, actor })
  const run = commandsOn(site)
  t.match(await run(['origin', 'show', 'core']), { code: 0, stdout: /come from upstream/ })
  await submit('disownOrigin')
  t.match(await state(), { channels: [{ adopted: false, fault: null }] })
  t.match(await run(['upstream', 'status']), { code: 0, stdout: /core\/stable +never +2 of 3 +not adopted/ })
  t.match(await run(['upstream', 'refresh']), { code: 0 })
  t.match(await run(['upstream', 'refresh', 'core/stable']), { code: 3, stderr: /upstream adopt core/ })
  t.notMatch(await (await fetch(`${site.url}/metrics`)).text(), /refreshed_timestamp_seconds\{/)
  await submit('adoptOrigin')
  t.match(await state(), { channels: [{ adopted: true, refreshed_at: /^2026/ }] })
})

test('readiness and metrics tell how old a channel is', async (t) => {
  const readyz = async () => (await fetch(`${site.url}/readyz`)).json()
  t.match(await readyz(), { ready: true, problems: [] })
  site.setClock(START + 60 * 60_000)
  t.match(await readyz(), { ready: true, problems: [{ code: 'upstream', detail: /core\/stable .* 2026/ }] })
  const metrics = await (await fetch(`${site.url}/metrics`)).text()
  t.match(
    metrics,
    /hart_depot_upstream_refreshed_timestamp_seconds\{origin="core",channel="stable"\} 17672\d+/,
  )
  t.match(metrics, /hart_depot_upstream_held_removals\{origin="core",channel="stable"\} 0/)
})
