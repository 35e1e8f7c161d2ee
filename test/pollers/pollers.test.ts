import { test } from 'tap'
import { CountedNames } from '../../src/pollers/counted-names.ts'
import { Pollers, WINDOW_MS, estimateLines, estimateViews, mergeCounts } from '../../src/pollers/pollers.ts'
import { addTo, estimate, hashText, makeSketch, mergeInto } from '../../src/pollers/sketch.ts'

const APP = { view: 'delivered', package: 'acme/app', target: 'x86_64-linux' }

function addAll(from: number, to: number, seed = 7) {
  const sketch = makeSketch()
  for (let item = from; item < to; item += 1) addTo(sketch, hashText(`10.0.${item >> 8}.${item & 255}`, seed))
  return sketch
}

test('estimates are close, and exact for few', async (t) => {
  t.equal(estimate(makeSketch()), 0)
  for (const count of [1, 2, 3, 10]) t.ok(Math.abs(estimate(addAll(0, count)) - count) <= 1, String(count))
  for (const count of [100, 1_000, 5_000, 50_000])
    for (const seed of [1, 2, 3]) {
      const found = estimate(addAll(0, count, seed))
      t.ok(Math.abs(found - count) < 0.2 * count, `${found} for ${count}`) // more than four standard errors
    }
  const [one, other] = [addAll(0, 600), addAll(300, 900)]
  mergeInto(one, other)
  t.ok(Math.abs(estimate(one) - 900) < 180, 'merging counts common items once')
})

function makePollers(isCounting = true) {
  const clock = { now: 1_000 * WINDOW_MS }
  const pollers = new Pollers({ now: () => clock.now, seed: 7, isCounting })
  return { clock, pollers, line: () => estimateLines(pollers.counts())[0] }
}

test('pollers of the last one to two windows count, and those that got the last move are up to date', async (t) => {
  const { clock, pollers, line } = makePollers()
  for (const poller of ['a', 'b', 'a']) pollers.countFound(APP, 3, poller)
  t.match(line(), { ...APP, pollers: 2, revision: 3, upToDate: 2 })
  pollers.countFound(APP, 4, 'a')
  t.match(line(), { pollers: 2, revision: 4, upToDate: 1 })
  pollers.countFound(APP, 3, 'c') // may not see the new release
  t.match(line(), { pollers: 3, revision: 4, upToDate: 1 })
  clock.now += WINDOW_MS
  pollers.countFound(APP, 4, 'd')
  t.match(line(), { pollers: 4, upToDate: 2 })
  clock.now += WINDOW_MS
  t.match(line(), { pollers: 1, upToDate: 2 })
  clock.now += WINDOW_MS
  t.equal(line(), undefined, 'unknown, and not 0')
})

test('counts of threads are merged', async (t) => {
  const [one, two] = [makePollers().pollers, makePollers().pollers]
  for (const poller of ['a', 'b']) one.countFound(APP, 3, poller)
  for (const poller of ['b', 'c']) two.countFound(APP, 4, poller)
  two.countFound({ ...APP, package: 'acme/web' }, 4, 'd')
  for (const pollers of [one, two]) pollers.countAbsentView('delivred')
  const counts = mergeCounts([one.counts(), two.counts()])
  t.match(estimateLines(counts), [
    { pollers: 3, revision: 4, upToDate: 2 },
    { package: 'acme/web', pollers: 1 },
  ])
  t.strictSame([...estimateViews(counts)], [['delivered', 4]])
  t.match(counts.absentViews, [{ name: 'delivred', polls: 2 }])
})

test('the uptake of a release is estimated over time, and merged over threads', async (t) => {
  const [one, two] = [makePollers(), makePollers()]
  const start = one.clock.now
  one.pollers.countFound(APP, 3, 'a')
  for (const [seconds, first, second] of [
    [2, 'a', 'a'],
    [61, 'b', 'a'],
    [122, 'c', 'd'],
    [183, 'a', 'b'],
  ] as const) {
    one.clock.now = two.clock.now = start + seconds * 1_000
    one.pollers.countFound(APP, 4, first)
    two.pollers.countFound(APP, 4, second)
  }
  const [line] = estimateLines(mergeCounts([one.pollers.counts(), two.pollers.counts()]))
  t.strictSame(line?.uptake, [
    { at: start + 5_000, pollers: 1 },
    { at: start + 65_000, pollers: 2 },
    { at: start + 125_000, pollers: 4 },
  ])
  one.pollers.countFound(APP, 5, 'a')
  t.match(one.line()?.uptake, { length: 1 }, 'a later release begins anew')
})

test('an uptake has few points, and its last one is the present estimate', async (t) => {
  const { clock, pollers, line } = makePollers()
  for (let index = 0; index < 500; index += 1) {
    clock.now += 5_000
    pollers.countFound(APP, 4, `10.0.0.${index}`)
  }
  const { uptake = [], upToDate } = line() ?? {}
  t.ok(uptake.length <= 60)
  t.equal(uptake.at(-1)?.pollers, upToDate)
})

test('invented packages take bounded memory, and room returns when nobody polls for them', async (t) => {
  const { clock, pollers } = makePollers()
  for (let index = 0; index < 2_100; index += 1)
    pollers.countFound({ ...APP, package: `acme/p${index}` }, 1, 'a')
  t.match(pollers.counts(), { lines: { length: 2_000 }, isIncomplete: true })
  clock.now += 2 * WINDOW_MS
  pollers.countFound(APP, 1, 'a')
  t.match(pollers.counts(), { lines: { length: 1 }, isIncomplete: false })
})

test('counts are complete again when nobody has polled for too many packages lately', async (t) => {
  const { clock, pollers } = makePollers()
  for (let index = 0; index < 2_001; index += 1)
    pollers.countFound({ ...APP, package: `acme/p${index}` }, 1, 'a')
  clock.now += 2 * WINDOW_MS
  t.match(pollers.counts(), { lines: { length: 0 }, isIncomplete: false })
})

test('without the setting, nobody is counted', async (t) => {
  const { pollers } = makePollers(false)
  pollers.countFound(APP, 3, 'a')
  pollers.countAbsentPackage('delivered', 'acme/nope')
  t.match(pollers.counts(), {
    lines: { length: 0 },
    absentPackages: [{ name: 'delivered acme/nope', polls: 1 }],
  })
})

test('names are bounded, and the ones that were counted last are kept for a day', async (t) => {
  const names = new CountedNames(3)
  for (const [now, name] of ['a', 'b', 'a', 'c', 'd', 'x'.repeat(301)].entries()) names.add(name, now)
  t.strictSame(names.list(5), [
    { name: 'a', polls: 2, lastAt: 2 },
    { name: 'c', polls: 1, lastAt: 3 },
    { name: 'd', polls: 1, lastAt: 4 },
  ])
  t.strictSame(
    names.list(86_400_003).map(({ name }) => name),
    ['d'],
  )
})
