import { sql } from 'kysely'
import { test } from 'tap'
import { listAccounts } from '../../src/accounts/account-store.ts'
import { verifyDepot } from '../../src/audit/verify.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { findHead, listEntries } from '../../src/ledger/ledger-store.ts'
import { Writer } from '../../src/writer/writer.ts'
import { startCuttingProxy } from '../support/faults/cutting-proxy.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// Several writers on one database, each of which stands for a node.

const actor = { client: 'tests', door: 'cli' } as const
const adding = (name: string) => ({ kind: 'addAccount', input: { name }, actor }) as const

const DAY_MS = 24 * 60 * 60_000

type Test = Parameters<typeof startDepot>[0]

/** The URL of a depot's database. */
function urlOf({ depot }: TestDepot): string {
  const { database } = depot.config
  return database.engine === 'postgres' ? (database.url ?? '') : ''
}

/** Starts another depot on the database of the first one. */
async function startBeside(t: Test, first: TestDepot, url = urlOf(first)): Promise<TestDepot> {
  // Behind a pooler, statements are sent as texts, by which the proxy recognizes them.
  const pooled = url === urlOf(first) ? undefined : { DEPOT_DATABASE_LISTEN_URL: urlOf(first) }
  return startDepot(t, { environment: { DEPOT_DATABASE_URL: url, ...pooled } })
}

async function namesIn({ depot }: TestDepot): Promise<string[]> {
  return (await listAccounts(depot.db)).map(({ name }) => name)
}

/** Returns what is wrong with the ledger: its sequences, its times, and everything that `verify` finds. */
async function faultsOf({ depot }: TestDepot): Promise<unknown[]> {
  const { entries } = await listEntries(depot.db, { after: 0, through: 1_000_000, limit: 100_000 })
  const snapshot = await depot.engine.openSnapshot()
  try {
    const { findings } = await verifyDepot(snapshot.reader)
    return [
      ...entries.filter(({ sequence }, index) => sequence !== index + 1),
      ...entries.filter(({ at }, index) => index > 0 && at < (entries[index - 1]?.at ?? 0)),
      ...findings,
    ]
  } finally {
    await snapshot.close()
  }
}

test('writers take turns: sequences have no gaps, times and revisions rise, and nothing is lost', async (t) => {
  const first = await startDepot(t)
  const nodes = [first, await startBeside(t, first), await startBeside(t, first)]
  const idents = Array.from({ length: 30 }, (_, index) => `acme/app/1.0.${index}/20260101120000`)
  const releases = await makeReleases(first, ...idents)
  await makeView(first, 'prod', 'highest')
  // Each node has a clock of its own. That of the last one is an hour ahead.
  nodes[2]?.setClock(first.depot.now() + 3_600_000)
  const outcomes = await Promise.all(
    releases.map(async (release, index) => {
      const node = nodes[index % nodes.length] ?? first
      await node.depot.writer.submit(adding(`account-${index}`))
      return move(node, 'promote', 'prod', [release])
    }),
  )
  t.strictSame(
    outcomes.map(({ revision }) => revision).toSorted((a, b) => a - b),
    idents.map((_, index) => index + 1),
    'every promotion has a revision of its own',
  )
  t.strictSame(await faultsOf(first), [])
  t.equal((await namesIn(first)).filter((name) => name.startsWith('account-')).length, idents.length)
})

test('a node whose clock steps back and forth keeps times in order, and refuses nothing', async (t) => {
  const first = await startDepot(t)
  const stepping = await startBeside(t, first)
  const now = first.depot.now()
  for (const [index, stepMs] of [DAY_MS, -DAY_MS, 0, -1, 3 * DAY_MS, 1].entries()) {
    stepping.setClock(now + stepMs)
    await stepping.depot.writer.submit(adding(`stepping-${index}`))
    await first.depot.writer.submit(adding(`steady-${index}`))
  }
  t.equal((await namesIn(first)).filter((name) => name.startsWith('ste')).length, 12)
  t.strictSame(await faultsOf(first), [])
})

test('a request that comes to two nodes at once with one Idempotency-Key is made once', async (t) => {
  const first = await startDepot(t)
  const second = await startBeside(t, first)
  const [release] = await makeReleases(first, 'acme/app/1.0.0/20260101120000')
  if (release === undefined) throw new Error('there is a release')
  const caller = await first.actor('admin')
  const promoting = {
    kind: 'promote',
    input: { view: 'stable', releases: [release], idempotency: { key: 'once', requestHash: 'x' } },
    actor: caller,
  } as const
  const [one, other] = await Promise.all([
    first.depot.writer.submit(promoting),
    second.depot.writer.submit(promoting),
  ])
  t.strictSame(one, other)
  t.equal(one.revision, 1)
  t.strictSame(await faultsOf(first), [])
})

test('only one of several changes that expect the same revision is made', async (t) => {
  const first = await startDepot(t)
  const nodes = [first, await startBeside(t, first)]
  const releases = await makeReleases(
    first,
    ...Array.from({ length: 8 }, (_, index) => `acme/app/1.0.${index}/20260101120000`),
  )
  const results = await Promise.allSettled(
    releases.map(async (release, index) =>
      move(nodes[index % 2] ?? first, 'promote', 'stable', [release], { expectRevision: 0 }),
    ),
  )
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.ok(
    results.every(
      (result) =>
        result.status === 'fulfilled' || (result.reason as { code: string }).code === 'stale_revision',
    ),
  )
})

test('a connection that is lost before its commit costs nothing: the batch runs again', async (t) => {
  const first = await startDepot(t)
  const proxy = await startCuttingProxy(t, urlOf(first))
  const cut = await startBeside(t, first, proxy.url)
  for (const [index, text] of ['pg_advisory_xact_lock', 'insert into "ledger"', 'pg_notify'].entries())
    for (const when of ['before', 'after'] as const) {
      proxy.cutNext(text, when)
      await cut.depot.writer.submit(adding(`${when}-${index}`))
    }
  t.equal(proxy.cuts, 6)
  t.equal((await namesIn(first)).length, 1 + 6)
  t.strictSame(await faultsOf(first), [])
})

test('a commit whose answer is lost is found in the ledger, or made again', async (t) => {
  const first = await startDepot(t)
  const proxy = await startCuttingProxy(t, urlOf(first))
  const cut = await startBeside(t, first, proxy.url)
  const heard: number[] = []
  cut.depot.writer.onAnnouncement(
    ({ entries }) => void heard.push(...entries.map(({ sequence }) => sequence)),
  )
  for (const when of ['before', 'after'] as const) {
    proxy.cutNext('commit', when)
    await cut.depot.writer.submit(adding(`commit-${when}`))
  }
  t.equal(proxy.cuts, 2)
  t.strictSame(await namesIn(first), ['admin', 'commit-after', 'commit-before'])
  t.equal(heard.length, 2, 'memory is told of each once')
  t.strictSame(await faultsOf(first), [])
})

test('while the server is away, writes are refused with a reason, and afterwards they go on', async (t) => {
  const first = await startDepot(t)
  const proxy = await startCuttingProxy(t, urlOf(first))
  const node = await startBeside(t, first, proxy.url)
  proxy.sever()
  await t.rejects(node.depot.writer.submit(adding('away')), {
    code: 'database_unavailable',
    message: /nothing was changed/,
  })
  await t.rejects(listAccounts(node.depot.db))
  const polled = await node.app.inject('/v1/depot/channels/acme/stable/pkgs/app/latest')
  t.equal(polled.statusCode, 404, 'a poll is answered from memory')
  const ready = await node.app.inject('/readyz')
  t.match(ready, { statusCode: 503 })
  const headers = { authorization: `Bearer ${await first.account('later')}` }
  const refused = await node.app.inject({
    method: 'POST',
    url: '/api/v1/origins',
    headers,
    payload: { name: 'acme' },
  })
  t.match(refused, { statusCode: 503, headers: { 'retry-after': /^\d+$/ } })
  t.match(refused.json(), { code: 'database_unavailable' })
  proxy.restore()
  await node.depot.writer.submit(adding('back'))
  t.ok((await namesIn(node)).includes('back'))
  t.notOk((await namesIn(node)).includes('away'))
  t.equal((await node.app.inject('/readyz')).statusCode, 200)
})

/**
 * Promotes one release by another node, and another release by a writer whose commands all read on a
 * snapshot. While it reads, this writer's next batch loses its turn to the other node's promotion, and fails
 * with `error`. Returns whether the batch failed for its caller, and the outcome of the second promotion.
 */
async function promoteWhileBatchFails(t: Test, error: Error) {
  const first = await startDepot(t)
  const [one, two] = (await makeReleases(
    first,
    'acme/app/1.0/20260101000000',
    'acme/app/2.0/20260101000000',
  )) as [ReleaseRow, ReleaseRow]
  const database = await first.depot.engine.open(START)
  const opened = Promise.withResolvers<void>()
  const going = Promise.withResolvers<void>()
  let [time, isLong, failsNext] = [0, true, false]
  const writer = await Writer.open(database.writable, commandTable, {
    now: () => START,
    elapsed: () => (time += isLong ? 1_000 : 0),
    async openSnapshot() {
      const snapshot = await first.depot.engine.openSnapshot({ refusesWrites: true })
      await findHead(snapshot.reader) // from here, the snapshot does not change
      opened.resolve()
      await going.promise
      return snapshot
    },
    async notify(trx, through) {
      if (!failsNext) return database.notify?.(trx, through)
      failsNext = false
      await sql`rollback`.execute(trx)
      await move(first, 'promote', 'union', [one])
      throw error
    },
  })
  t.teardown(async () => {
    await writer.close()
    await database.close()
  })
  const outcome = move({ depot: { db: first.depot.db, writer } }, 'promote', 'union', [two])
  await opened.promise
  ;[isLong, failsNext] = [false, true]
  const failed = await writer.submit(adding('meanwhile')).then(
    () => false,
    () => true,
  )
  going.resolve()
  const { revision, releases } = await outcome
  return { failed, revision, change: releases[0]?.change, faults: await faultsOf(first) }
}

test('a command that read ahead reads again if another node commits before a batch has failed', async (t) => {
  t.strictSame(await promoteWhileBatchFails(t, new Error('the batch fails')), {
    failed: true,
    revision: 2,
    change: 'moved',
    faults: [],
  })
})

test('a command that read ahead reads again if another node commits between two runs of a batch', async (t) => {
  const collision = Object.assign(new Error('the batch collides'), { code: '40001' })
  t.strictSame(await promoteWhileBatchFails(t, collision), {
    failed: false,
    revision: 2,
    change: 'moved',
    faults: [],
  })
})
