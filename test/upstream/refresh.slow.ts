import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import { listRefreshed } from '../../src/channels/refresh-store.ts'
import { listMembersAt } from '../../src/revisions/content-store.ts'
import { listRevisions } from '../../src/revisions/history-store.ts'
import { RemoteDepot } from '../../src/remote/remote-depot.ts'
import { getView } from '../../src/revisions/view-store.ts'
import { Refresher } from '../../src/upstream/refresher.ts'
import { startLiar, startLyingDepot } from '../support/faults/lying-depot.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// Channels of upstream, refreshed from a real depot, and from one that lies.

const actor = { client: 'tests', door: 'cli' } as const
const STAMP = '20260101000000'
const stable = { origin: 'core', channel: 'stable' }

const source = await startDepot(tap, { listen: true })
const libraries = await makeReleases(
  source,
  ...Array.from({ length: 11 }, (_, index) => `core/lib${index}/1.0.0/${STAMP}`),
)
const [redis7, redis8] = await makeReleases(source, `core/redis/7.0.0/${STAMP}`, `core/redis/8.0.0/${STAMP}`)
const windows = await makeReleases(source, `core/redis/8.0.0/${STAMP} for x86_64-windows`)
if (redis7 === undefined || redis8 === undefined) throw new Error('releases are missing')
await move(source, 'promote', 'stable', [...libraries, redis7])

/** Starts a depot with this upstream, and its refresher. */
async function follow(
  t: { teardown(fn: () => Promise<unknown>): unknown },
  url = source.url,
  environment: Record<string, string> = {},
) {
  const started = await startDepot(t, {
    environment: { DEPOT_UPSTREAM: url, DEPOT_UPSTREAM_ORIGINS: 'core', ...environment },
  })
  await started.depot.writer.submit({ kind: 'adoptOrigin', input: { origin: 'core', upstream: url }, actor })
  const refresher = await Refresher.open(started.depot)
  if (refresher === undefined) throw new Error('the settings name an upstream')
  t.teardown(() => refresher.close())
  return { ...started, refresher }
}

/** Refreshes from another URL, without a second attempt. */
async function refreshFrom({ depot }: Pick<TestDepot, 'depot'>, url: string): Promise<void> {
  const impatient = new RemoteDepot({ url, token: undefined, pause: async () => undefined, pausesMs: [] })
  await new Refresher(depot, impatient).refreshAll()
}

async function membersOf({ depot: { db } }: Pick<TestDepot, 'depot'>): Promise<string[]> {
  const view = await getView(db, 'stable')
  const members = await listMembersAt(db, view, view.revision, { limit: 100 }, UNRESTRICTED_AUDIENCE)
  return members.map(({ ident, target }) => `${ident} ${target}`).toSorted()
}

async function revisionsOf({ depot: { db } }: Pick<TestDepot, 'depot'>) {
  const view = await getView(db, 'stable')
  return listRevisions(db, view, { before: 1_000, limit: 100 }, UNRESTRICTED_AUDIENCE)
}

test('a channel becomes what it is upstream, in one revision for each refresh', async (t) => {
  const site = await follow(t)
  await site.refresher.refreshAll()
  t.strictSame(await membersOf(site), await membersOf(source))
  t.match(await revisionsOf(site), [
    { revision: 1, cause: 'refresh', reason: `refreshed from ${source.url}` },
  ])
  t.match(await listRefreshed(site.depot.db), [{ ...stable, fault: undefined, removals: 0 }])

  await site.refresher.refreshAll()
  t.equal((await revisionsOf(site)).length, 1, 'a refresh that changes nothing makes no revision')

  await move(source, 'promote', 'stable', [redis8, ...windows])
  await move(source, 'demote', 'stable', [redis7])
  await site.refresher.refreshAll()
  t.strictSame(await membersOf(site), await membersOf(source))
  const revisions = await revisionsOf(site)
  t.equal(revisions.length, 2)
  t.match(revisions[0], { left: [redis7] })
  const latest = await site.app.inject('/v1/depot/channels/core/stable/pkgs/redis/latest?target=x86_64-linux')
  t.match(latest.json(), { ident: { version: '8.0.0' }, checksum: /^[0-9a-f]{64}$/ })
})

test('a refresh that would remove more than a tenth is held until somebody accepts it', async (t) => {
  const site = await follow(t)
  await site.refresher.refreshAll()
  const before = await membersOf(site)
  const gone = libraries.slice(0, 2)
  await move(source, 'demote', 'stable', gone)
  t.teardown(() => move(source, 'promote', 'stable', gone))
  await site.refresher.refreshAll()
  t.strictSame(await membersOf(site), before)
  t.match(await listRefreshed(site.depot.db), [{ removals: 2, fault: /held/ }])
  t.ok(site.logged.some(({ removals }) => removals === 2))

  await site.refresher.refreshAll([stable], { acceptsRemovals: true, by: 'admin' })
  t.strictSame(await membersOf(site), await membersOf(source))
  t.match(await listRefreshed(site.depot.db), [{ removals: 0, fault: undefined }])
  t.match((await revisionsOf(site))[0]?.reason, /accepted by admin/)
})

test('a frozen view refuses a refresh, which says so, and an upstream that is down changes nothing', async (t) => {
  const site = await follow(t)
  const { db, writer } = site.depot
  await writer.submit({ kind: 'freeze', input: { view: 'stable', reason: 'the fair' }, actor })
  await site.refresher.refreshAll()
  t.strictSame(await membersOf(site), [])
  t.match(await listRefreshed(db), [{ fault: /the fair/, refreshedAt: undefined }])
  await writer.submit({ kind: 'thaw', input: { view: 'stable' }, actor })
  await site.refresher.refreshAll()
  const before = await membersOf(site)
  const [{ refreshedAt } = { refreshedAt: 0 }] = await listRefreshed(db)
  const away = await startLyingDepot(t, (_request, response) => void response.destroy())
  await refreshFrom(site, away)
  t.strictSame(await membersOf(site), before)
  t.match(await listRefreshed(db), [{ refreshedAt, fault: /got no answer/ }])
  t.ok(site.logged.some(({ asOf }) => asOf === new Date(refreshedAt ?? 0).toISOString()))
})

test('refusals of upstream are told with what to do about them', async (t) => {
  const remedies = {
    401: /valid token: set DEPOT_UPSTREAM_TOKEN_FILE/,
    403: /Supervisors.*licence/,
    429: /fewer requests/,
  }
  const site = await follow(t)
  for (const [status, remedy] of Object.entries(remedies)) {
    const url = await startLyingDepot(t, (_request, response) => response.writeHead(Number(status)).end('no'))
    await refreshFrom(site, url)
    t.match(await listRefreshed(site.depot.db), [{ fault: remedy }], status)
  }
})

const isDetail = (path: string) => /\/pkgs\/\w+\/[^/]+\/\d{14}\?target=/.test(path)

test('a refresh that upstream ends in the middle changes nothing, and the next one goes on', async (t) => {
  let answers = 5
  const { url, asked } = await startLiar(t, source.url, (path, answer) => {
    if (!isDetail(path) || answers-- > 0) return false
    answer.destroy()
    return true
  })
  const site = await follow(t, url)
  await refreshFrom(site, url)
  t.strictSame(await membersOf(site), [])
  t.match(await listRefreshed(site.depot.db), [{ fault: /got no answer/, refreshedAt: undefined }])
  answers = Number.POSITIVE_INFINITY
  const before = asked.length
  await refreshFrom(site, url)
  t.strictSame(await membersOf(site), await membersOf(source))
  t.ok(asked.slice(before).some(isDetail))
})

test('upstream is not asked about a channel of an origin of our own', async (t) => {
  const { url, asked } = await startLiar(t, source.url)
  const site = await follow(t, url)
  await site.depot.writer.submit({ kind: 'disownOrigin', input: { origin: 'core' }, actor })
  t.match(await site.refresher.refreshAll([stable]), [/\w+/])
  t.strictSame(asked, [])
})

test('a target leaves the channel while another target of the same ident stays', async (t) => {
  const site = await follow(t)
  await move(source, 'promote', 'stable', [redis8, ...windows])
  await site.refresher.refreshAll()
  await move(source, 'demote', 'stable', windows)
  t.teardown(() => move(source, 'promote', 'stable', windows))
  await site.refresher.refreshAll()
  t.strictSame(await membersOf(site), await membersOf(source))
  t.match((await revisionsOf(site))[0], { left: windows })
})

test('a refresh that fails because of the database is told, and the next one goes on', async (t) => {
  const site = await follow(t)
  let isAway = true
  const depot = {
    ...site.depot,
    get db() {
      if (isAway) throw new Error('the database is away')
      return site.depot.db
    },
  }
  const upstream = new RemoteDepot({ url: source.url, token: undefined, pause: async () => undefined })
  const refresher = new Refresher(depot, upstream)
  t.match(await refresher.refreshAll(), [/the refresh failed: the log of the depot has the cause/])
  isAway = false
  t.strictSame(await refresher.refreshAll(), [])
  t.match(await revisionsOf(site), [{ revision: 1 }])
  await refresher.close()
})

test('two refreshes at once are one', async (t) => {
  const site = await follow(t)
  await Promise.all([site.refresher.refreshAll(), site.refresher.refreshAll()])
  t.equal((await revisionsOf(site)).length, 1)
})

test('a refresh is answered from the channel of upstream alone, whatever upstream says', async (t) => {
  const lies = {
    html: '<html>',
    other: JSON.stringify({
      total_count: 1,
      data: [{ origin: 'acme', name: 'app', version: '1', release: '20260101000000' }],
    }),
    path: JSON.stringify({
      total_count: 1,
      data: [{ origin: 'core', name: '..', version: '1', release: '20260101000000' }],
    }),
  }
  for (const [name, body] of Object.entries(lies)) {
    const url = await startLyingDepot(t, (_request, response) => response.end(body))
    const site = await follow(t, url)
    await site.refresher.refreshAll()
    t.strictSame(await membersOf(site), [], name)
    t.match(
      await listRefreshed(site.depot.db),
      [{ fault: name === 'html' ? /not JSON: "<html>"/ : /\w+/ }],
      name,
    )
  }
})
