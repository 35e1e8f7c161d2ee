import { existsSync } from 'node:fs'
import { test } from 'tap'
import { DEPOT_ACTOR } from '../../src/access/access.ts'
import { listEntries } from '../../src/ledger/ledger-store.ts'
import { retirePage } from '../../src/upkeep/retire-page.ts'
import { callApi } from '../support/call-api.ts'
import { ask } from '../support/ask.ts'
import { makeOrigin, publishAll, upload } from '../support/origin.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { DAY_MS, faultsOf, retire, schedulerOf, setRule, verdictsOn } from '../support/retention.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const STAMP = '20260101000000'
const LATER = START + 400 * DAY_MS
const ORIGIN = { of: 'origin', origin: 'acme' } as const
const app = (version: number) => `acme/app/${version}/${STAMP}`

async function removedIn({ depot }: TestDepot): Promise<string[]> {
  const page = { after: 0, through: Number.MAX_SAFE_INTEGER, limit: 10_000, kinds: ['release-deleted'] }
  return (await listEntries(depot.db, page)).entries.flatMap(({ event }) =>
    event.kind === 'release-deleted' ? [event.ident] : [],
  )
}

/** Starts a depot with old releases, of which a rule keeps the last one. */
async function old(t: Parameters<typeof startDepot>[0], count: number) {
  const started = await startDepot(t)
  const releases = await makeReleases(started, ...Array.from({ length: count }, (_, index) => app(index + 1)))
  await setRule(started, ORIGIN, { keepLast: 1 })
  started.setClock(LATER)
  return { started, releases }
}

test('two schedulers and an administrator at once remove each release once', async (t) => {
  const { started } = await old(t, 60)
  const { depot } = started
  const [one, two] = await Promise.all([
    schedulerOf(started).once(),
    schedulerOf(started).once(),
    retirePage({ ...depot, quarantineMs: 0 }, { after: undefined }, { isDaily: false, actor: DEPOT_ACTOR }),
  ])
  const removed = await removedIn(started)
  t.equal(new Set(removed).size, 59)
  t.equal(removed.length, 59)
  t.ok(one.removed + two.removed <= 59)
  t.strictSame(await faultsOf(started), [])
  t.match(await callApi(started, 'GET', `/api/v1/views/unstable/latest/acme/app`), {
    body: { ident: app(60) },
  })
})

test('a promotion at the moment at which a release would go keeps it, or is refused as a whole', async (t) => {
  for (const order of ['promotion first', 'retention first']) {
    const { started, releases } = await old(t, 3)
    const [one, two] = releases as [ReleaseRow, ReleaseRow]
    const promotion = () => move(started, 'promote', 'union', [one, two]).then(() => 'promoted', String)
    const removal = () => retire(started, [app(1), app(2)])
    const [promoted, removed] =
      order === 'promotion first'
        ? await Promise.all([promotion(), removal()])
        : (await Promise.all([removal(), promotion()])).toReversed()
    if (order === 'promotion first') {
      t.equal(promoted, 'promoted')
      t.strictSame(removed, [])
    } else {
      t.match(promoted, /there is no release acme\/app/)
      t.strictSame(removed, [app(1), app(2)])
    }
    t.strictSame(await faultsOf(started), [])
  }
})

test('an upload that depends on a release keeps it, also after the decision that it goes', async (t) => {
  const { started } = await old(t, 3)
  t.strictSame(await verdictsOn(started, [app(1), app(2)]), ['goes', 'goes'])
  await makeReleases(started, { name: `other/tool/1/${STAMP}`, deps: [app(1)] })
  t.strictSame(await retire(started, [app(1), app(2)]), [app(2)])
})

test('removed bytes stay in quarantine, return on request, and are collected after it', async (t) => {
  const started = await startDepot(t, { listen: true, limits: { orphanGraceMs: 0 } })
  const { depot } = started
  await makeOrigin(started)
  const harts = await publishAll(started, app(1), app(2), app(3))
  const walk = async () => depot.upkeep?.collector.walk()
  const download = async (version: number) =>
    ask(`${started.url}/v1/depot/pkgs/${app(version)}/download?target=x86_64-linux`)
  const back = async (version: number) => callApi(started, 'POST', `/api/v1/releases/${app(version)}/return`)
  await depot.writer.submit({
    kind: 'markRelease',
    input: { ident: app(1), target: 'x86_64-linux', mark: 'yanked', reason: 'it loses data' },
    actor: DEPOT_ACTOR,
  })
  await setRule(started, ORIGIN, { keepLast: 1 })
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
