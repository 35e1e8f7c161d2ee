import { test } from 'tap'
import { callApi } from '../support/call-api.ts'
import { makeReleases, move, setVisibility } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { DAY_MS, OPERATOR, retire, setRule, verdictsOn } from '../support/retention.ts'
import { START, startDepot } from '../support/start-depot.ts'

const STAMP = '20260101000000'
const LATER = START + 400 * DAY_MS
const app = (version: number, name = 'app') => `acme/${name}/${version}/${STAMP}`
const ORIGIN = { of: 'origin', origin: 'acme' } as const

/** Starts a depot in which five releases are 400 days old, and a rule keeps the last one. */
async function old(t: Parameters<typeof startDepot>[0], ...more: Parameters<typeof makeReleases>[1][]) {
  const started = await startDepot(t)
  const releases = await makeReleases(started, ...[1, 2, 3, 4, 5].map((version) => app(version)), ...more)
  await setRule(started, ORIGIN, { keepLast: 1 })
  return { started, releases, later: () => started.setClock(LATER) }
}

test('without a rule everything stays, and the narrowest rule counts', async (t) => {
  const { started, later } = await old(t, `other/tool/1/${STAMP}`, app(1, 'lib'), app(2, 'lib'))
  const all = [app(1), app(5), app(1, 'lib'), `other/tool/1/${STAMP}`]
  t.same(await verdictsOn(started, all), ['young', 'young', 'young', 'no-rule'])
  later()
  t.same(await verdictsOn(started, all), ['goes', 'last', 'goes', 'no-rule'])
  await setRule(started, { of: 'package', package: 'acme/lib' }, { keepAll: true })
  await setRule(started, { of: 'depot' }, { keepLast: 1 })
  t.same(await verdictsOn(started, all), ['goes', 'last', 'keep-all', 'last'])
  await setRule(started, ORIGIN, { newerThanMs: 500 * DAY_MS })
  t.same(await verdictsOn(started, [app(1)]), ['newer'])
  await setRule(started, ORIGIN, { keepLast: 4 })
  t.same(await verdictsOn(started, [app(1), app(2)]), ['goes', 'last'])
  await setRule(started, ORIGIN, undefined)
  t.same(await verdictsOn(started, [app(1)]), ['goes'], 'the rule of the depot counts again')
})

test('the daily run removes nothing for a day that a rule is about which was set, changed or removed', async (t) => {
  const { started, releases } = await old(t)
  const [one, two] = releases as [ReleaseRow, ReleaseRow]
  const all = [app(1), app(2), app(3)]
  const daily = async () => retire(started, all, { isDaily: true })
  const union = { of: 'view', view: 'union' } as const
  const exempt = { of: 'package', package: 'acme/app' } as const
  await move(started, 'promote', 'union', [one, two])
  await move(started, 'demote', 'union', [one])
  await setRule(started, union, { historyMs: 900 * DAY_MS })
  await setRule(started, exempt, { keepAll: true })
  started.setClock(LATER)
  t.same(await daily(), [])
  await setRule(started, exempt, undefined)
  t.same(await verdictsOn(started, all), ['history', 'view', 'goes'])
  t.same(await daily(), [], 'an exemption ended')
  started.setClock(LATER + 1.1 * DAY_MS)
  t.same(await daily(), [app(3)])
  await setRule(started, union, { historyMs: DAY_MS })
  t.same(await daily(), [], 'a view keeps less')
  await setRule(started, union, undefined)
  t.same(await verdictsOn(started, all), ['goes', 'view', 'is gone'])
  t.same(await daily(), [], 'a view has no rule any more')
  started.setClock(LATER + 2.2 * DAY_MS)
  t.same(await daily(), [app(1)])
})

test('a yanked release does not count among the last', async (t) => {
  const { started, later } = await old(t)
  for (const version of [5, 4])
    await started.depot.writer.submit({
      kind: 'markRelease',
      input: { ident: app(version), target: 'x86_64-linux', mark: 'yanked', reason: 'it loses data' },
      actor: OPERATOR,
    })
  later()
  t.same(await verdictsOn(started, [app(5), app(4), app(3), app(2)]), ['goes', 'goes', 'last', 'goes'])
})

test('views keep what they contain, and unstable what its latest answers to anyone', async (t) => {
  const { started, releases, later } = await old(t)
  const [one, two, three] = releases as [ReleaseRow, ReleaseRow, ReleaseRow]
  await setVisibility(started, app(5), 'hidden')
  await setVisibility(started, app(4), 'private')
  await makeReleases(started, app(6))
  await setVisibility(started, app(6), 'hidden')
  await move(started, 'promote', 'union', [one, two])
  later()
  t.same(
    await verdictsOn(
      started,
      [1, 2, 3, 4, 5, 6].map((version) => app(version)),
    ),
    ['view', 'view', 'view', 'view', 'goes', 'last'],
    'the public see 3 as the latest of unstable, members of the origin see 4',
  )
  await setRule(started, { of: 'view', view: 'union' }, { keepLast: 1 })
  t.same(await verdictsOn(started, [app(1), app(2)]), ['goes', 'view'], 'the rule of a view lets members go')
  await setRule(started, { of: 'view', view: 'union' }, { newerThanMs: 500 * DAY_MS })
  t.same(await verdictsOn(started, [app(1)]), ['view'])
  await setRule(started, { of: 'view', view: 'union' }, { keepLast: 1 })
  await started.depot.writer.submit({
    kind: 'freeze',
    input: { view: 'union', reason: 'the fair' },
    actor: OPERATOR,
  })
  t.same(await verdictsOn(started, [app(1)]), ['view'], 'a frozen view lets nothing go')
  t.same(await retire(started, [three.ident, two.ident, one.ident]), [])
})

test('a rule of a view lets no member of an upstream origin go', async (t) => {
  const { started, releases, later } = await old(t)
  const [one, two] = releases as [ReleaseRow, ReleaseRow]
  await move(started, 'promote', 'union', [one, two])
  await setRule(started, { of: 'view', view: 'union' }, { keepLast: 1 })
  later()
  t.same(await verdictsOn(started, [app(1)]), ['goes'])
  await started.depot.writer.submit({
    kind: 'adoptOrigin',
    input: { origin: 'acme', upstream: 'https://up.example' },
    actor: OPERATOR,
  })
  t.same(await verdictsOn(started, [app(1)]), ['view'])
})

test('a view keeps what left it for a time', async (t) => {
  const { started, releases } = await old(t)
  const [one, two] = releases as [ReleaseRow, ReleaseRow]
  started.setClock(LATER)
  await move(started, 'promote', 'union', [one])
  await move(started, 'promote', 'union', [two])
  await move(started, 'demote', 'union', [one])
  t.same(await verdictsOn(started, [app(1)]), ['history'])
  started.setClock(LATER + 29 * DAY_MS)
  t.same(await verdictsOn(started, [app(1)]), ['history'])
  started.setClock(LATER + 31 * DAY_MS)
  t.same(await verdictsOn(started, [app(1)]), ['goes'])
  await setRule(started, { of: 'view', view: 'union' }, { historyMs: 40 * DAY_MS })
  t.same(await verdictsOn(started, [app(1)]), ['history'])
})

test('a view that lets members go keeps what was latest for a time', async (t) => {
  const { started, releases } = await old(t)
  const [one, two] = releases as [ReleaseRow, ReleaseRow]
  started.setClock(LATER)
  await move(started, 'promote', 'union', [one])
  await move(started, 'promote', 'union', [two])
  await setRule(started, { of: 'view', view: 'union' }, { keepLast: 1 })
  t.same(await verdictsOn(started, [app(1)]), ['history'], 'a rollback needs it')
  t.match((await callApi(started, 'GET', '/api/v1/retention/verdicts?origin=acme')).body, {
    verdicts: [
      {},
      {},
      {},
      {},
      { detail: `${app(1)} was latest in union until revision 2, and a rollback may need it` },
    ],
  })
  started.setClock(LATER + 31 * DAY_MS)
  t.same(await verdictsOn(started, [app(1)]), ['goes'])
})

test('holds, pins, lockfiles, proposals and changes keep releases', async (t) => {
  const { started, releases, later } = await old(t)
  const { depot } = started
  const [one, two, three, four] = releases as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
  const submit = depot.writer.submit.bind(depot.writer)
  await move(started, 'promote', 'union', [one])
  const { revision } = await move(started, 'demote', 'union', [one])
  const { publicId } = await submit({
    kind: 'recordChange',
    input: { project: 'acme/app', change: 'c1', commit: 'c1', branch: 'main', targets: ['x86_64-linux'] },
    actor: OPERATOR,
  })
  await submit({
    kind: 'addChangeRelease',
    input: { change: publicId, ident: two.ident, target: two.target, isRebuild: false },
    actor: OPERATOR,
  })
  later()
  t.same(
    await verdictsOn(
      started,
      [1, 2, 3, 4].map((version) => app(version)),
    ),
    ['goes', 'change', 'goes', 'goes'],
  )
  await submit({
    kind: 'pinRevision',
    input: { view: 'union', revision: revision - 1, reason: 'the release of the fair' },
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
    input: { project: 'acme/app', change: 'c2', commit: 'c2', branch: 'main', targets: ['x86_64-linux'] },
    actor: OPERATOR,
  })
  t.same(await verdictsOn(started, [app(2)]), ['goes'], 'a newer change is the newest of the project')
})

test('a release stays while another one that stays depends on it, through any number of steps', async (t) => {
  const { started, releases, later } = await old(t)
  const [one] = releases as [ReleaseRow]
  await makeReleases(started, { name: `acme/lib/1/${STAMP}`, deps: [] }, `acme/lib/2/${STAMP}`)
  await makeReleases(
    started,
    { name: `acme/mid/1/${STAMP}`, deps: [`acme/lib/1/${STAMP}`] },
    `acme/mid/2/${STAMP}`,
    {
      name: `acme/top/1/${STAMP}`,
      deps: [`acme/mid/1/${STAMP}`],
      tdeps: [`acme/mid/1/${STAMP}`, `acme/lib/1/${STAMP}`],
    },
    `acme/top/2/${STAMP}`,
  )
  const chain = ['top', 'mid', 'lib'].map((name) => `acme/${name}/1/${STAMP}`)
  await move(started, 'promote', 'union', [{ ident: chain[0] ?? '', target: one.target }])
  later()
  t.same(await verdictsOn(started, chain), ['view', 'dependency', 'dependency'])
  t.same(await retire(started, chain.toReversed()), [])
  await started.depot.writer.submit({
    kind: 'setRetention',
    input: { scope: { of: 'view', view: 'union' }, rule: { historyMs: 1_000 } },
    actor: OPERATOR,
  })
  await move(started, 'demote', 'union', [{ ident: chain[0] ?? '', target: one.target }])
  started.setClock(LATER + DAY_MS)
  t.same(await verdictsOn(started, chain), ['goes', 'goes', 'goes'])
  t.same(await retire(started, chain.toReversed()), [chain[0]], 'what others depend on goes after them')
  t.same(await retire(started, chain.toReversed()), [chain[1]])
  t.same(await retire(started, chain), [chain[2]])
})
