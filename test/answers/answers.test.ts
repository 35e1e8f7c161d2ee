import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import type { Audience } from '../../src/access/access.ts'
import type { LatestAnswer } from '../../src/answers/answers.ts'
import { announce, makeReleases, move, setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { isOnPostgres } from '../support/test-database.ts'
import { ask, openAnswers } from '../support/http/open-answers.ts'

const ACME = { origins: ['acme'], seesAll: false }

function textOf(answer: LatestAnswer | undefined): string | undefined {
  return answer?.package.body.toString().trimEnd()
}

test('a poll that starts after a promotion was answered sees the promotion', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    ...Array.from({ length: 8 }, (_, n) => `acme/app/1.${n}.0/20260101120000`),
  )
  const { answers } = await openAnswers(started)
  const promoted: string[] = ['nothing'] // by revision
  const ROUNDS = 100
  let answered = 0
  let polls = 0
  const poll = async () => {
    for (let least = 0; least < ROUNDS; least = answered) {
      const answer = await answers.latest(ask('acceptance'), PUBLIC_AUDIENCE)
      const revision = answer?.revision ?? 0
      if (revision < least) throw new Error(`revision ${revision} was answered after ${least}`)
      if (answer !== undefined && textOf(answer)?.startsWith(`${promoted[revision] ?? ''} `) !== true)
        throw new Error(`revision ${revision} was answered as ${textOf(answer) ?? ''}`)
      polls += 1
      await (polls % 10 === 0 ? new Promise(setImmediate) : undefined) // between any two steps of a promotion
    }
  }
  const pollers = [poll(), poll(), poll(), poll()]
  for (let round = 0; round < ROUNDS; round += 1) {
    const release = releases[(round * 3) % releases.length]
    if (release === undefined) continue
    promoted.push(release.ident)
    const { revision } = await move(started, 'promote', 'acceptance', [release])
    answered = revision
    await new Promise(setImmediate)
  }
  await Promise.all(pollers)
  t.equal(answered, ROUNDS)
  t.ok(polls > ROUNDS)
})

test('an answer in memory needs no promise, and is rendered once', async (t) => {
  const started = await startDepot(t)
  const [release] = await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  const { answers, made } = await openAnswers(started)
  await answers.latest(ask('unstable'), PUBLIC_AUDIENCE)
  for (let n = 0; n < 3; n += 1) await answers.latest(ask('unstable'), PUBLIC_AUDIENCE)
  t.notOk(answers.latest(ask('unstable'), PUBLIC_AUDIENCE) instanceof Promise)
  t.equal(answers.latest(ask('union'), PUBLIC_AUDIENCE), undefined)
  t.equal(made(), 1)
  await move(started, 'promote', 'stable', release ? [release] : [])
  t.equal(
    textOf(await answers.latest(ask('unstable'), PUBLIC_AUDIENCE)),
    'acme/app/1.0.0/20260101120000 unstable,stable',
    'its views are in it',
  )
  await move(started, 'demote', 'stable', release ? [release] : [])
  t.equal(
    textOf(await answers.latest(ask('unstable'), PUBLIC_AUDIENCE)),
    'acme/app/1.0.0/20260101120000 unstable',
  )
  t.equal(await answers.latest(ask('stable'), PUBLIC_AUDIENCE), undefined)
})

test('latest of a version follows the members, even if no pointer moves', async (t) => {
  const started = await startDepot(t)
  const [old, young] = await makeReleases(
    started,
    'acme/app/1.0.0/20260101120000',
    'acme/app/1.0.0/20260202120000',
    'acme/app/2.0.0/20260101120000',
  )
  const { answers } = await openAnswers(started)
  const latest = async () =>
    textOf(await answers.latest(ask('stable', '1.0.0'), PUBLIC_AUDIENCE))?.split(' ')[0]
  await move(started, 'promote', 'stable', [
    { ident: 'acme/app/2.0.0/20260101120000', target: 'x86_64-linux' },
  ])
  t.equal(await latest(), undefined)
  for (const release of [old, young].flatMap((found) => found ?? [])) {
    await move(started, 'promote', 'stable', [release])
    t.equal(await latest(), release.ident)
    t.equal(await latest(), release.ident, 'and once more')
  }
  await move(started, 'demote', 'stable', young ? [young] : [])
  t.equal(await latest(), old?.ident)
  t.equal(
    (await answers.latest(ask('stable', '1.0.0'), PUBLIC_AUDIENCE))?.revision,
    undefined,
    'no pointer, no revision',
  )
})

test('a private release is never served to the public, even if a member asked before', async (t) => {
  const started = await startDepot(t)
  const names = ['acme/app/1.0.0/20260101120000', 'acme/app/2.0.0/20260101120000']
  const releases = await makeReleases(started, ...names)
  for (const view of ['stable', 'acceptance'])
    for (const release of releases) await move(started, 'promote', view, [release])
  await setVisibility(started, 'acme/app/2.0.0/20260101120000', 'private')
  const { answers } = await openAnswers(started)
  const latest = async (view: string, audience: typeof ACME, version?: string) =>
    textOf(await answers.latest(ask(view, version), audience))?.split(' ')[0]
  for (const who of [ACME, { ...UNRESTRICTED_AUDIENCE, origins: [] }]) {
    t.equal(await latest('stable', who), names[1])
    t.equal(await latest('acceptance', who), names[1])
    t.equal(await latest('stable', who, '2.0.0'), names[1])
  }
  for (const who of [
    { ...PUBLIC_AUDIENCE, origins: [] },
    { seesAll: false, origins: ['other'] },
  ]) {
    t.equal(await latest('stable', who), names[0], 'the highest they may see')
    t.equal(await latest('acceptance', who), undefined, 'the promoted release or nothing')
    t.equal(await latest('stable', who, '2.0.0'), undefined)
  }
  t.equal((await answers.latest(ask('stable'), PUBLIC_AUDIENCE))?.revision, 1, 'as if nothing were above it')
})

test('a release that is in no view is answered from its announcement until it is deleted', async (t) => {
  const started = await startDepot(t)
  const actor = { client: 'tests', door: 'cli' } as const
  await started.depot.writer.submit({
    kind: 'adoptOrigin',
    input: { origin: 'core', upstream: 'https://bldr.example' },
    actor,
  })
  const { answers } = await openAnswers(started)
  const [ident, target] = ['core/glibc/2.40/20260101000000', 'x86_64-linux'] as const
  const exact = async () => {
    const answer = await answers.exact({ shape: 'whole', ident, target }, PUBLIC_AUDIENCE)
    return answer?.body.toString().trimEnd()
  }
  t.equal(await exact(), undefined)
  await announce(started, 'core', { ident, checksum: 'ab'.repeat(32) })
  t.equal(await exact(), ident)
  await started.depot.writer.submit({ kind: 'deleteRelease', input: { ident, target }, actor })
  t.equal(await exact(), undefined)
})

test('answers are available again after a restart', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    'acme/app/1.0.0/20260101120000',
    'acme/app/2.0.0/20260101120000',
  )
  for (const release of releases) await move(started, 'promote', 'acceptance', [release])
  await move(started, 'demote', 'acceptance', releases.slice(1))
  const { answers } = await openAnswers(started)
  const answer = await answers.latest(ask('acceptance'), PUBLIC_AUDIENCE)
  t.equal(textOf(answer), 'acme/app/1.0.0/20260101120000 unstable,acceptance')
  t.equal(answer?.revision, 3)
})

test('the newest bodies are kept, up to a number of bytes', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, ...Array.from({ length: 4 }, (_, n) => `acme/app/1.${n}.0/20260101120000`))
  const { answers, made } = await openAnswers(started, 20 * 1024 * 1024)
  for (let n = 0; n < 4; n += 1) await answers.latest(ask('unstable', `1.${n}.0`), PUBLIC_AUDIENCE)
  t.equal(made(), 4)
  for (let n = 1; n < 4; n += 1)
    t.notOk(answers.latest(ask('unstable', `1.${n}.0`), PUBLIC_AUDIENCE) instanceof Promise)
  await answers.latest(ask('unstable', '1.0.0'), PUBLIC_AUDIENCE)
  t.equal(made(), 5, 'four are too many')
})

const settle = async () => {
  await new Promise(setImmediate)
  if (isOnPostgres) await pause(300) // a server answers reads after some turns
}

test('denying a private package takes the same work as denying an absent one', async (t) => {
  const started = await startDepot(t)
  const [lone, low, high] = await makeReleases(
    started,
    'acme/lone/1.0.0/20260101120000',
    'acme/app/1.0.0/20260101120000',
    'acme/app/2.0.0/20260101120000',
  )
  const { answers } = await openAnswers(started)
  const deny = (name: string, view = 'unstable') => answers.latest({ ...ask(view), name }, PUBLIC_AUDIENCE)
  await setVisibility(started, lone?.ident ?? '', 'private')
  await setVisibility(started, high?.ident ?? '', 'private')
  await settle()
  for (const [name, view] of [
    ['ghost', 'unstable'],
    ['lone', 'unstable'],
    ['lone', 'stable'],
    ['ghost', 'stable'],
  ] as const)
    t.equal(deny(name, view), undefined, `${name} in ${view}: at once`)
  t.equal(textOf(await deny('app')), `${low?.ident ?? ''} unstable`)
  t.notOk(deny('app') instanceof Promise, 'visible releases are cached')
  t.equal(textOf(await answers.latest(ask('unstable'), ACME)), `${high?.ident ?? ''} unstable`)
  t.notOk(answers.latest(ask('unstable'), ACME) instanceof Promise, 'also for callers who see more')

  await move(started, 'promote', 'acceptance', high ? [high] : [])
  await settle()
  t.equal(deny('app', 'acceptance'), undefined)
  await setVisibility(started, high?.ident ?? '', 'public')
  t.equal(
    textOf(await deny('app', 'acceptance')),
    `${high?.ident ?? ''} unstable,acceptance`,
    'a release that becomes public is reported',
  )
  t.equal(textOf(await deny('app')), `${high?.ident ?? ''} unstable,acceptance`)
  await move(started, 'demote', 'acceptance', high ? [high] : [])
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: high?.ident ?? '', target: 'x86_64-linux' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.equal(deny('app', 'acceptance'), undefined, 'demoted and deleted releases are absent')
  t.equal(textOf(await deny('app')), `${low?.ident ?? ''} unstable`)

  const again = await openAnswers(started)
  t.equal(
    again.answers.latest({ ...ask('unstable'), name: 'lone' }, PUBLIC_AUDIENCE),
    undefined,
    'also after a restart',
  )
})

test('the revision of an answer does not reveal that a private release left', async (t) => {
  const started = await startDepot(t)
  const [, high] = await makeReleases(
    started,
    'acme/app/1.0.0/20260101120000',
    'acme/app/2.0.0/20260101120000',
  )
  const ident = high?.ident ?? ''
  await setVisibility(started, ident, 'private')
  const { answers } = await openAnswers(started)
  const before = await answers.latest(ask('unstable'), PUBLIC_AUDIENCE)
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident, target: 'x86_64-linux' },
    actor: { client: 'tests', door: 'cli' },
  })
  t.equal((await answers.latest(ask('unstable'), PUBLIC_AUDIENCE))?.revision, before?.revision)
  const again = await openAnswers(started)
  t.equal((await again.answers.latest(ask('unstable'), PUBLIC_AUDIENCE))?.revision, before?.revision)
})

test('another rule applies at once, to latest of a package and of a version, for every caller', async (t) => {
  const started = await startDepot(t)
  const [older, newer, low, secret] = await makeReleases(
    started,
    ...['2.0.0/20260101120000', '2.0.0/20260202120000', '1.0.0/20260101120000', '3.0.0/20260101120000'].map(
      (name) => `acme/app/${name}`,
    ),
  )
  await setVisibility(started, 'acme/app/3.0.0/20260101120000', 'private')
  for (const release of [secret, newer, older, low].flatMap((one) => one ?? []))
    await move(started, 'promote', 'stable', [release])
  const { answers } = await openAnswers(started)
  const latest = async (version: string | undefined, audience: Audience) =>
    textOf(await answers.latest(ask('stable', version), audience))?.split(' ')[0]
  const setRule = (rule: 'promoted' | 'highest') =>
    started.depot.writer.submit({
      kind: 'setView',
      input: { view: 'stable', rule },
      actor: { client: 'tests', door: 'cli' },
    })
  const all = async () => [
    await latest(undefined, UNRESTRICTED_AUDIENCE),
    await latest('2.0.0', UNRESTRICTED_AUDIENCE),
    await latest(undefined, PUBLIC_AUDIENCE),
    await latest('2.0.0', PUBLIC_AUDIENCE),
  ]
  t.strictSame(await all(), [secret?.ident, newer?.ident, newer?.ident, newer?.ident])
  await setRule('promoted')
  t.strictSame(await all(), [low?.ident, older?.ident, low?.ident, older?.ident])
  await setRule('highest')
  t.strictSame(await all(), [secret?.ident, newer?.ident, newer?.ident, newer?.ident])
  await setRule('promoted')
  t.strictSame(
    await all(),
    [secret?.ident, older?.ident, undefined, older?.ident],
    'the previous latest stays, and is private; that of a version is not',
  )
  t.notOk(answers.hasLatest(ask('stable'), PUBLIC_AUDIENCE))
  t.strictSame(await answers.listLatest({ view: 'stable', origin: 'acme' }, PUBLIC_AUDIENCE), new Map())
  const { answers: again } = await openAnswers(started)
  t.equal(textOf(await again.latest(ask('stable'), PUBLIC_AUDIENCE)), undefined, 'also after a restart')
  t.match(textOf(await again.latest(ask('stable', '2.0.0'), PUBLIC_AUDIENCE)), older?.ident)
})
