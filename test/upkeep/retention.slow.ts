import { test } from 'tap'
import { DEPOT_ACTOR } from '../../src/access/access.ts'
import { listEntries } from '../../src/ledger/ledger-store.ts'
import { Retention } from '../../src/upkeep/retention.ts'
import { retirePage } from '../../src/upkeep/retire-page.ts'
import { findLatest } from '../../src/releases/release-store.ts'
import { listViews } from '../../src/revisions/view-store.ts'
import { callApi } from '../support/call-api.ts'
import { makeManyReleases, moveAtRandom } from '../support/views/random-moves.ts'
import { makeReleases } from '../support/release-rows.ts'
import { DAY_MS, faultsOf, schedulerOf, setRule } from '../support/storage/retention.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// Runs of retention over many releases.

const LATER = START + 400 * DAY_MS
const app = (version: number) => `acme/app/${version}/20260101000000`
const ORIGIN = { of: 'origin', origin: 'acme' } as const

async function removedIn({ depot }: TestDepot): Promise<string[]> {
  const page = { after: 0, through: Number.MAX_SAFE_INTEGER, limit: 10_000, kinds: ['release-deleted'] }
  return (await listEntries(depot.db, page)).entries.flatMap(({ event }) =>
    event.kind === 'release-deleted' ? [event.ident] : [],
  )
}

/** Returns what `latest` answers in every view, for every package and target, to each kind of caller. */
async function answersOf({ depot: { db } }: TestDepot): Promise<string[]> {
  const answers: string[] = []
  for (const view of await listViews(db))
    for (const name of ['app', 'db', 'web'])
      for (const target of ['x86_64-linux', 'x86_64-windows'] as const)
        for (const origins of [[], ['acme']]) {
          const question = { view, origin: 'acme', name, version: undefined, target }
          const found = await findLatest(db, question, { seesAll: false, origins })
          answers.push(`${view.name} ${name} ${target} ${origins.join()}: ${found?.id ?? 'nothing'}`)
        }
  return answers
}

test('no rule changes what latest answers to anyone, in any view, and no view becomes empty', async (t) => {
  const started = await startDepot(t)
  const { releases } = await makeManyReleases(started)
  for (const [seed, rule] of (['promoted', 'highest'] as const).entries())
    await moveAtRandom(started, rule, { rule, setsRules: true, releases, moves: 40, seed: seed + 7 })
  await setRule(started, ORIGIN, { newerThanMs: 1_000 })
  for (const { name } of await listViews(started.depot.db))
    await setRule(started, { of: 'view', view: name }, { keepLast: 1, historyMs: 1_000 })
  started.setClock(LATER)
  const before = await answersOf(started)
  const { removed } = await schedulerOf(started).once()
  t.ok(removed > 5, `${removed} releases were removed`)
  t.strictSame(await answersOf(started), before)
  t.strictSame(await faultsOf(started), [])
})

test('a rule acts by itself only after a day, and a day removes at most a tenth of many releases', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, ...Array.from({ length: 150 }, (_, index) => app(index + 1)))
  started.setClock(LATER)
  await setRule(started, ORIGIN, { keepLast: 2 })
  t.match(await schedulerOf(started).once(), { removed: 0 })
  started.setClock(LATER + 2 * DAY_MS)
  t.match(await schedulerOf(started).once(), { removed: 100, isCut: true })
  t.match(started.logged.at(-1), { removed: 100 })
  t.match(await schedulerOf(started).once(), { removed: 0, isCut: true }, 'a restart begins no new day')
  started.setClock(LATER + 3.1 * DAY_MS)
  t.match(await schedulerOf(started).once(), { removed: 48, isCut: false })
  t.match(await schedulerOf(started).once(), { removed: 0 })
})

test('two schedulers and an administrator at once remove each release once', async (t) => {
  const started = await startDepot(t)
  const { depot } = started
  await makeReleases(started, ...Array.from({ length: 60 }, (_, index) => app(index + 1)))
  await setRule(started, ORIGIN, { keepLast: 1 })
  started.setClock(LATER)
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

test('a crash in the middle of a run loses nothing, and the next run goes on', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, ...Array.from({ length: 60 }, (_, index) => app(index + 1)))
  await setRule(started, ORIGIN, { keepLast: 1 })
  started.setClock(LATER)
  const { depot } = started
  let commands = 0
  const failing = {
    submit: async (command: never): Promise<never> => {
      commands += 1
      if (commands === 2) throw new Error('killed')
      return depot.writer.submit(command) as Promise<never>
    },
  }
  const { db, judge, log, now } = depot
  await t.rejects(
    new Retention({ db, judge, writer: failing as never, log, now, quarantineMs: 0 }).once(),
    /killed/,
  )
  t.strictSame(await faultsOf(started), [])
  t.match(await schedulerOf(started).once(), { removed: 34 })
})
