import { existsSync } from 'node:fs'
import tap, { test } from 'tap'
import { DEPOT_ACTOR } from '../../src/access/access.ts'
import { JudgingThread } from '../../src/upkeep/judging.ts'
import { callApi } from '../support/call-api.ts'
import { ask } from '../support/ask.ts'
import { makeOrigin, publishAll, upload } from '../support/origin.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { DAY_MS, faultsOf, retire, setRule, verdictsOn } from '../support/storage/retention.ts'
import { START, startDepot } from '../support/start-depot.ts'

const STAMP = '20260101000000'
const LATER = START + 400 * DAY_MS
const app = (version: number) => `acme/app/${version}/${STAMP}`
const started = await startDepot(tap, { listen: true, limits: { orphanGraceMs: 0 } })
const { depot } = started
await makeOrigin(started)
const harts = await publishAll(started, app(1), app(2), app(3))

/** Returns releases of a package that are as old as the depot. A rule keeps the last one. */
const old = (name: string) => [1, 2, 3].map((version) => `rows/${name}/${version}/${STAMP}`)
await makeReleases(started, ...['first', 'second', 'needed'].flatMap(old))
const ROWS = { of: 'origin', origin: 'rows' } as const
const ACME = { of: 'origin', origin: 'acme' } as const

test('removed bytes stay in quarantine, return on request, and are collected after it', async (t) => {
  const walk = async () => depot.upkeep?.collector.walk()
  const download = async (version: number) =>
    ask(`${started.url}/v1/depot/pkgs/${app(version)}/download?target=x86_64-linux`)
  const back = async (version: number) => callApi(started, 'POST', `/api/v1/releases/${app(version)}/return`)
  await depot.writer.submit({
    kind: 'markRelease',
    input: { ident: app(1), target: 'x86_64-linux', mark: 'yanked', reason: 'it loses data' },
    actor: DEPOT_ACTOR,
  })
  await setRule(started, ACME, { keepLast: 1 })
  started.setClock(LATER)
  t.match(await depot.upkeep?.retention.once(), { removed: 2, freedBytes: Number })
  t.match(await download(1), { status: 404 })
  await walk()
  t.match(await callApi(started, 'GET', '/api/v1/retention/quarantine'), {
    differences: '',
    body: { releases: [{ ident: app(1) }, { ident: app(2) }] },
  })
  t.match(await back(1), { status: 200, differences: '' })
  t.match(await download(1), { status: 200 })
  t.match(await callApi(started, 'GET', `/api/v1/releases/${app(1)}`), {
    body: { yank: { reason: 'it loses data' } },
  })
  t.match(await back(1), { status: 404, body: { detail: /is not in quarantine/ } })
  t.match(await back(3), { status: 404 })
  t.strictSame(await faultsOf(started), [])

  started.setClock(LATER + 6 * DAY_MS)
  await walk()
  const [, two] = harts
  t.ok(existsSync(depot.blobs.storage.placeOf(two?.checksum ?? '')))
  started.setClock(LATER + 8 * DAY_MS)
  await walk()
  t.notOk(existsSync(depot.blobs.storage.placeOf(two?.checksum ?? '')))
  t.match(await back(2), { status: 404, body: { detail: /is not in quarantine/ } })
  if (two !== undefined) t.match(await upload(started, two), { status: 201 })
  t.match(await download(2), { status: 200 })
})

test('a promotion at the moment at which a release would go keeps it, or is refused as a whole', async (t) => {
  await setRule(started, ROWS, { keepLast: 1 })
  const releasesOf = (name: string): ReleaseRow[] =>
    old(name)
      .slice(0, 2)
      .map((ident) => ({ ident, target: 'x86_64-linux' }))
  const promote = async (name: string) =>
    move(started, 'promote', 'union', releasesOf(name)).then(() => 'promoted', String)
  const remove = async (name: string) => retire(started, old(name))
  t.strictSame(await Promise.all([promote('first'), remove('first')]), ['promoted', []])
  const [removed, promoted] = await Promise.all([remove('second'), promote('second')])
  t.strictSame(removed, old('second').slice(0, 2))
  t.match(promoted, /there is no release rows\/second/)
  t.strictSame(await faultsOf(started), [])
})

test('an upload that depends on a release keeps it, also after the decision that it goes', async (t) => {
  const [one = '', two = ''] = old('needed')
  t.strictSame(await verdictsOn(started, [one, two]), ['goes', 'goes'])
  await makeReleases(started, { name: `other/tool/1/${STAMP}`, deps: [one] })
  t.strictSame(await retire(started, [one, two]), [two])
})

test('a thread of its own decides like the thread of the depot, with what was just committed', async (t) => {
  const thread = new JudgingThread(depot.config.database, depot.now)
  const all = { after: undefined, origin: 'rows' }
  t.strictSame(await thread.judge(all), await depot.judge(all))
  await setRule(started, ROWS, { keepAll: true })
  const settled = await thread.judge(all, { onlySettled: true })
  t.ok(settled.verdicts.length > 0)
  for (const { reasons } of settled.verdicts) t.match(reasons, [{ kind: 'keep-all' }])
  const [first] = settled.verdicts
  const page = await thread.judge({ ...all, limit: 1 })
  t.strictSame(page.next, first && [first.release.packageId, first.release.target, first.release.orderKey])
  await thread.close()
  await t.rejects(thread.judge(all), { code: 'shutting_down' })
})
