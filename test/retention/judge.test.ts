import tap, { test } from 'tap'
import { callApi } from '../support/call-api.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { DAY_MS, OPERATOR, retire, setRule, verdictsOn } from '../support/storage/retention.ts'
import { START, startDepot } from '../support/start-depot.ts'

const STAMP = '20260101000000'
const LATER = START + 400 * DAY_MS
const started = await startDepot(tap)
const { depot } = started
const submit = depot.writer.submit.bind(depot.writer)

/** Each test has an origin, and a view with the name of the origin. */
const NAMES = ['narrow', 'daily', 'yanked', 'members', 'upstream', 'left', 'moved', 'needs', 'steps'] as const

/** Returns a function that makes idents of an origin. */
const identsOf =
  (origin: (typeof NAMES)[number]) =>
  (version: number, name = 'app') =>
    `${origin}/${name}/${version}/${STAMP}`
const step = identsOf('steps')

/** Five releases of each origin, of which a rule keeps the last one. */
const rows = new Map<string, readonly ReleaseRow[]>()
for (const origin of NAMES) {
  const ident = identsOf(origin)
  rows.set(origin, await makeReleases(started, ...[1, 2, 3, 4, 5].map((version) => ident(version))))
  await makeView(started, origin, 'promoted')
  await setRule(started, { of: 'origin', origin }, { keepLast: 1 })
}
await makeReleases(started, `other/tool/1/${STAMP}`, `narrow/lib/1/${STAMP}`, `narrow/lib/2/${STAMP}`)
await makeReleases(started, step(1, 'lib'), step(2, 'lib'), { name: step(1, 'mid'), deps: [step(1, 'lib')] })
await makeReleases(started, step(2, 'mid'), step(2, 'top'), {
  name: step(1, 'top'),
  deps: [step(1, 'mid')],
  tdeps: [step(1, 'mid'), step(1, 'lib')],
})
await setVisibility(started, `members/app/5/${STAMP}`, 'hidden')
await setVisibility(started, `members/app/4/${STAMP}`, 'private')
await makeReleases(started, `members/app/6/${STAMP}`)
await setVisibility(started, `members/app/6/${STAMP}`, 'hidden')

/** Returns the first releases of an origin and the scope of its view. */
function of(origin: (typeof NAMES)[number]) {
  const [one, two, three, four] = rows.get(origin) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
  return { app: identsOf(origin), one, two, three, four, view: { of: 'view', view: origin } as const }
}

/** Lets time pass. */
const pass = (days: number) => started.setClock(depot.now() + days * DAY_MS)

test('without a rule everything stays, and the narrowest rule counts', async (t) => {
  const { app } = of('narrow')
  const all = [app(1), app(5), app(1, 'lib'), `other/tool/1/${STAMP}`]
  t.same(await verdictsOn(started, all), ['young', 'young', 'young', 'no-rule'])
  started.setClock(LATER)
  t.same(await verdictsOn(started, all), ['goes', 'last', 'goes', 'no-rule'])
  await setRule(started, { of: 'package', package: 'narrow/lib' }, { keepAll: true })
  await setRule(started, { of: 'depot' }, { keepLast: 1 })
  t.same(await verdictsOn(started, all), ['goes', 'last', 'keep-all', 'last'])
  await setRule(started, { of: 'origin', origin: 'narrow' }, { newerThanMs: 500 * DAY_MS })
  t.same(await verdictsOn(started, [app(1)]), ['newer'])
  await setRule(started, { of: 'origin', origin: 'narrow' }, { keepLast: 4 })
  t.same(await verdictsOn(started, [app(1), app(2)]), ['goes', 'last'])
  await setRule(started, { of: 'origin', origin: 'narrow' }, undefined)
  t.same(await verdictsOn(started, [app(1)]), ['goes'], 'the rule of the depot counts again')
  await setRule(started, { of: 'depot' }, undefined)
})

test('the daily run removes nothing for a day that a rule is about which was set, changed or removed', async (t) => {
  const { app, one, two, view } = of('daily')
  const all = [app(1), app(2), app(3)]
  const daily = async () => retire(started, all, { isDaily: true })
  const exempt = { of: 'package', package: 'daily/app' } as const
  await move(started, 'promote', 'daily', [one, two])
  await move(started, 'demote', 'daily', [one])
  await setRule(started, view, { historyMs: 900 * DAY_MS })
  await setRule(started, exempt, { keepAll: true })
  pass(31)
  t.same(await daily(), [])
  await setRule(started, exempt, undefined)
  t.same(await verdictsOn(started, all), ['history', 'view', 'goes'])
  t.same(await daily(), [], 'an exemption ended')
  pass(1.1)
  t.same(await daily(), [app(3)])
  await setRule(started, view, { historyMs: DAY_MS })
  t.same(await daily(), [], 'a view keeps less')
  await setRule(started, view, undefined)
  t.same(await verdictsOn(started, all), ['goes', 'view', 'is gone'])
  t.same(await daily(), [], 'a view has no rule any more')
  pass(1.1)
  t.same(await daily(), [app(1)])
})

test('a yanked release does not count among the last', async (t) => {
  const { app } = of('yanked')
  for (const version of [5, 4])
    await submit({
      kind: 'markRelease',
      input: { ident: app(version), target: 'x86_64-linux', mark: 'yanked', reason: 'it loses data' },
      actor: OPERATOR,
    })
  t.same(await verdictsOn(started, [app(5), app(4), app(3), app(2)]), ['goes', 'goes', 'last', 'goes'])
})

test('views keep what they contain, and unstable what its latest answers to anyone', async (t) => {
  const { app, one, two, three, view } = of('members')
  await move(started, 'promote', 'members', [one, two])
  t.same(
    await verdictsOn(
      started,
      [1, 2, 3, 4, 5, 6].map((version) => app(version)),
    ),
    ['view', 'view', 'view', 'view', 'goes', 'last'],
    'the public see 3 as the latest of unstable, members of the origin see 4',
  )
  await setRule(started, view, { keepLast: 1 })
  t.same(await verdictsOn(started, [app(1), app(2)]), ['goes', 'view'], 'the rule of a view lets members go')
  await setRule(started, view, { newerThanMs: 500 * DAY_MS })
  t.same(await verdictsOn(started, [app(1)]), ['view'])
  await setRule(started, view, { keepLast: 1 })
  await submit({
    kind: 'freeze',
    input: { view: 'members', reason: 'the fair' },
    actor: OPERATOR,
  })
  t.same(await verdictsOn(started, [app(1)]), ['view'], 'a frozen view lets nothing go')
  t.same(await retire(started, [three.ident, two.ident, one.ident]), [])
})

test('a rule of a view lets no member of an upstream origin go', async (t) => {
  const { app, one, two, view } = of('upstream')
  await move(started, 'promote', 'upstream', [one, two])
  await setRule(started, view, { keepLast: 1 })
  t.same(await verdictsOn(started, [app(1)]), ['goes'])
  await submit({
    kind: 'adoptOrigin',
    input: { origin: 'upstream', upstream: 'https://up.example' },
    actor: OPERATOR,
  })
  t.same(await verdictsOn(started, [app(1)]), ['view'])
})

test('a view keeps what left it for a time', async (t) => {
  const { app, one, two, view } = of('left')
  await move(started, 'promote', 'left', [one])
  await move(started, 'promote', 'left', [two])
  await move(started, 'demote', 'left', [one])
  t.same(await verdictsOn(started, [app(1)]), ['history'])
  pass(29)
  t.same(await verdictsOn(started, [app(1)]), ['history'])
  pass(2)
  t.same(await verdictsOn(started, [app(1)]), ['goes'])
  await setRule(started, view, { historyMs: 40 * DAY_MS })
  t.same(await verdictsOn(started, [app(1)]), ['history'])
})

test('a view that lets members go keeps what was latest for a time', async (t) => {
  const { app, one, two, view } = of('moved')
  await move(started, 'promote', 'moved', [one])
  await move(started, 'promote', 'moved', [two])
  await setRule(started, view, { keepLast: 1 })
  t.same(await verdictsOn(started, [app(1)]), ['history'], 'a rollback needs it')
  t.match((await callApi(started, 'GET', '/api/v1/retention/verdicts?origin=moved')).body, {
    verdicts: [
      {},
      {},
      {},
      {},
      { detail: `${app(1)} was latest in moved until revision 2, and a rollback may need it` },
    ],
  })
  pass(31)
  t.same(await verdictsOn(started, [app(1)]), ['goes'])
})

test('holds, pins, lockfiles, proposals and changes keep releases', async (t) => {
  const { app, one, two, three, four } = of('needs')
  await move(started, 'promote', 'needs', [one])
  const { revision } = await move(started, 'demote', 'needs', [one])
  const { publicId } = await submit({
    kind: 'recordChange',
    input: { project: 'needs/app', change: 'c1', commit: 'c1', branch: 'main', targets: ['x86_64-linux'] },
    actor: OPERATOR,
  })
  await submit({
    kind: 'addChangeRelease',
    input: { change: publicId, ident: two.ident, target: two.target, isRebuild: false },
    actor: OPERATOR,
  })
  pass(31)
  t.same(
    await verdictsOn(
      started,
      [1, 2, 3, 4].map((version) => app(version)),
    ),
    ['goes', 'change', 'goes', 'goes'],
  )
  await submit({
    kind: 'pinRevision',
    input: { view: 'needs', revision: revision - 1, reason: 'the release of the fair' },
    actor: OPERATOR,
  })
  await submit({
    kind: 'markRelease',
    input: { ...three, mark: 'held', reason: 'evidence' },
    actor: OPERATOR,
  })
  await submit({
    kind: 'propose',
    input: {
      token: 'a proposal',
      request: { view: 'rehearsal', act: 'promote', source: { releases: [four] } },
    },
    actor: OPERATOR,
  })
  t.same(
    await verdictsOn(
      started,
      [1, 2, 3, 4].map((version) => app(version)),
    ),
    ['pin', 'change', 'hold', 'proposal'],
  )
  await submit({
    kind: 'recordChange',
    input: { project: 'needs/app', change: 'c2', commit: 'c2', branch: 'main', targets: ['x86_64-linux'] },
    actor: OPERATOR,
  })
  t.same(await verdictsOn(started, [app(2)]), ['goes'], 'a newer change is the newest of the project')
})

test('a release stays while another one that stays depends on it, through any number of steps', async (t) => {
  const { one, view } = of('steps')
  const chain = ['top', 'mid', 'lib'].map((name) => `steps/${name}/1/${STAMP}`)
  await move(started, 'promote', 'steps', [{ ident: chain[0] ?? '', target: one.target }])
  t.same(await verdictsOn(started, chain), ['view', 'dependency', 'dependency'])
  t.same(await retire(started, chain.toReversed()), [])
  await setRule(started, view, { historyMs: 1_000 })
  await move(started, 'demote', 'steps', [{ ident: chain[0] ?? '', target: one.target }])
  pass(1)
  t.same(await verdictsOn(started, chain), ['goes', 'goes', 'goes'])
  t.same(await retire(started, chain.toReversed()), [chain[0]], 'what others depend on goes after them')
  t.same(await retire(started, chain.toReversed()), [chain[1]])
  t.same(await retire(started, chain), [chain[2]])
})
