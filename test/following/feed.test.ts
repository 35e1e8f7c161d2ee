import { test } from 'tap'
import { EVERYTHING, Feed, lineTopic, viewTopic } from '../../src/following/feed.ts'
import { listEntries } from '../../src/ledger/ledger-store.ts'
import { makeClient } from '../support/client.ts'
import { makeReleases, move, setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

async function openFeed({ depot }: TestDepot): Promise<Feed> {
  return depot.follower.openSubscriber('feed', (head) => Feed.open(depot.db, head))
}

const inMs = (ms: number) => performance.now() + ms
const APP = 'acme/app/1.0.0/20260101000000'
const LIB = 'acme/lib/1.0.0/20260101000000'

test('the head is the last entry of the ledger, at the start and after each commit', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  t.ok(feed.head.sequence > 0)
  await makeReleases(started, APP)
  const { entries } = await listEntries(started.depot.db, {
    after: feed.head.sequence - 1,
    through: Infinity,
    limit: 10,
  })
  const last = entries.at(-1)
  t.match(last, { sequence: feed.head.sequence, hash: feed.head.hash, at: feed.head.at })
})

test('entries from memory equal those of the database, for every query', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  const first = feed.head.sequence
  await makeReleases(started, APP, LIB)
  const head = feed.head.sequence
  const questions = [
    [first, head, 100],
    [first + 1, head, 2],
    [first, first + 2, 100],
    [0, head, 100],
    [first - 1, head, 100],
    [head, head, 10],
    [head - 1, head, 10],
  ] as const
  for (const [after, through, limit] of questions) {
    for (const kinds of [undefined, ['promotion'], ['promotion', 'release-published'], ['token-revoked']]) {
      const asked = { after, through, limit, ...(kinds && { kinds }) }
      t.strictSame(
        await feed.entries(asked),
        await listEntries(started.depot.db, asked),
        JSON.stringify(asked),
      )
    }
  }
})

test('pages of large entries have fewer entries, and together they have all', async (t) => {
  const started = await startDepot(t)
  const { depot } = started
  const feed = await openFeed(started)
  const first = feed.head.sequence
  const clients = [10, 100_000, 100_000, 100_000, 300_000, 300_000, 10, 10].map((length) =>
    'x'.repeat(length),
  )
  for (const [n, client] of clients.entries())
    await depot.writer.submit({
      kind: 'addAccount',
      input: { name: `account-${n}` },
      actor: { client, door: 'cli' },
    })
  const through = feed.head.sequence
  for (const read of [
    async (after: number) => feed.entries({ after, through, limit: 100 }),
    async (after: number) => listEntries(depot.db, { after, through, limit: 100 }),
  ]) {
    const pieces: number[][] = []
    for (let after = first; after < through;) {
      const piece = await read(after)
      pieces.push(piece.entries.map(({ sequence }) => sequence - first))
      after = piece.through
    }
    t.strictSame(pieces, [[1, 2, 3, 4], [5], [6], [7, 8]])
  }
})

test('a wait ends with a commit, even if the commit came before the wait began', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  const after = feed.head.sequence
  const waiting = feed.wait({ topic: EVERYTHING, after, deadline: inMs(60_000), client: makeClient() })
  await makeReleases(started, APP)
  t.equal(await waiting, 'committed')
  t.equal(
    await feed.wait({ topic: EVERYTHING, after, deadline: inMs(60_000), client: makeClient() }),
    'committed',
  )
  t.strictSame(feed.load, { watches: 0, timers: 0 })
})

test('a watch of a package is woken by changes of the package in its view, and by changes of visibility', async (t) => {
  const started = await startDepot(t)
  const [app, lib] = await makeReleases(started, APP, LIB)
  const feed = await openFeed(started)
  const woken: string[] = []
  const watch = (name: string, topic: string, view?: string) => {
    t.teardown(async () => unwatch())
    const unwatch = feed.watch(
      {
        topic,
        ...(view !== undefined && {
          wants: ({ event }) => event.kind !== 'promotion' || event.view === view,
        }),
      },
      () => woken.push(name),
    )
  }
  const heardOf = async (act: Promise<unknown>) => {
    woken.length = 0
    watch('end', EVERYTHING)
    await act
    await until('the last watch is woken', () => woken.includes('end'))
    return [...new Set(woken)].filter((name) => name !== 'end').toSorted()
  }
  watch('app in union', lineTopic('acme/app', 'x86_64-linux'), 'union')
  watch('app for windows', lineTopic('acme/app', 'x86_64-windows'))
  watch('union', viewTopic('union'))
  watch('union', viewTopic('union'))
  if (app === undefined || lib === undefined) return
  t.strictSame(await heardOf(move(started, 'promote', 'union', [lib])), ['union'])
  t.strictSame(await heardOf(move(started, 'promote', 'acceptance', [app])), [])
  t.strictSame(await heardOf(move(started, 'promote', 'union', [app])), ['app in union', 'union'])
  t.strictSame(await heardOf(setVisibility(started, APP, 'private')), ['app in union'])
  t.strictSame(await heardOf(move(started, 'demote', 'union', [app])), ['app in union', 'union'])
})

test('waits for any view end when all views are frozen', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  const waiting = { after: feed.head.sequence, deadline: inMs(60_000) }
  const client = makeClient()
  const waits = [viewTopic('acceptance'), viewTopic('stable'), EVERYTHING].map((topic) =>
    feed.wait({ ...waiting, topic, client }),
  )
  let isOther = true
  const unwatch = feed.watch({ topic: lineTopic('acme/app', 'x86_64-linux') }, () => (isOther = false))
  await started.depot.writer.submit({
    kind: 'freezeAll',
    input: { reason: 'audit' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.strictSame(await Promise.all(waits), ['committed', 'committed', 'committed'])
  t.ok(isOther, 'latest is unchanged')
  unwatch()
})

test('a change is answered before its followers are woken, and other work runs while many are woken', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  let woken = 0
  for (let i = 0; i < 1_000; i += 1) feed.watch({ topic: EVERYTHING }, () => (woken += 1))
  await started.depot.writer.submit({
    kind: 'addAccount',
    input: { name: 'new' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.equal(woken, 0)
  await new Promise(setImmediate)
  t.ok(woken < 1_000, 'others have their turn')
  await until('a thousand watches are woken', () => woken === 1_000)
})

test('waits end at their deadlines, share timers, and ignore the clock of the depot', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  const after = feed.head.sequence
  const begun = performance.now()
  const waits = Array.from({ length: 100 }, (_, i) =>
    feed.wait({ topic: EVERYTHING, after, deadline: begun + 50 + i / 10, client: makeClient() }),
  )
  t.match(feed.load, { watches: 100 })
  t.ok(feed.load.timers <= 2, `${feed.load.timers} timers`)
  started.setClock(0)
  t.strictSame([...new Set(await Promise.all(waits))], ['expired'])
  t.ok(performance.now() - begun >= 50, 'not before')
  t.strictSame(feed.load, { watches: 0, timers: 0 })
})

test('a client that leaves, and a depot that stops, leave nothing behind', async (t) => {
  const started = await startDepot(t)
  const feed = await openFeed(started)
  const [leaving, staying] = [makeClient(), makeClient()]
  const wait = (client: typeof leaving) =>
    feed.wait({ topic: EVERYTHING, after: feed.head.sequence, deadline: inMs(60_000), client })
  const [left, stopped] = [wait(leaving), wait(staying)]
  leaving.leave()
  t.equal(await left, 'left')
  t.match(feed.load, { watches: 1, timers: 1 })
  feed.close()
  t.equal(await stopped, 'closed')
  t.equal(await wait(staying), 'closed', 'no request waits any more')
  t.strictSame(feed.load, { watches: 0, timers: 0 })
  t.strictSame([leaving.listenerCount('close'), staying.listenerCount('close')], [0, 0])
})
