import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../../src/access/access.ts'
import { listMembersAt, listPointersAt } from '../../../src/revisions/content-store.ts'
import { listRevisions } from '../../../src/revisions/history-store.ts'
import { expectMovable } from '../../../src/views/view.ts'
import { getView } from '../../../src/revisions/view-store.ts'
import { makeReleases, makeView, move } from '../../support/release-rows.ts'
import type { ReleaseRow } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'

const OPERATOR = { client: 'tests', door: 'cli' } as const

const started = await startDepot(tap)
const { db, writer } = started.depot
const [one, two, three, four, web] = (await makeReleases(
  started,
  ...['1.0.0', '2.0.0', '3.0.0', '4.0.0'].map((version) => `acme/app/${version}/20260101000000`),
  'acme/web/1.0.0/20260101000000',
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]

/** Makes a view for one test. */
let views = 0
async function freshView(rule: 'promoted' | 'highest' = 'promoted'): Promise<string> {
  views += 1
  await makeView(started, `view-${views}`, rule)
  return `view-${views}`
}

async function latestOf(name: string): Promise<string[]> {
  const view = await getView(db, name)
  return (await listPointersAt(db, view, view.revision, { limit: 100 }, UNRESTRICTED_AUDIENCE)).map(
    ({ ident }) => ident,
  )
}

async function membersOf(name: string): Promise<string[]> {
  const view = await getView(db, name)
  return (await listMembersAt(db, view, view.revision, { limit: 100 }, UNRESTRICTED_AUDIENCE)).map(
    ({ ident }) => ident,
  )
}

test('a set makes one revision and one ledger entry, however many releases it moves', async (t) => {
  const name = await freshView()
  const outcome = await move(started, 'promote', name, [one, web], { reason: 'release train 7' })
  t.match(outcome, { revision: 1, isChanged: true })
  t.equal(outcome.pointers.length, 2)
  const history = await listRevisions(
    db,
    await getView(db, name),
    { before: 100, limit: 100 },
    UNRESTRICTED_AUDIENCE,
  )
  t.match(history, [{ revision: 1, act: 'promote', reason: 'release train 7', joined: [one, web] }])
  t.equal(history.length, 1)
})

test('a set with absent releases changes nothing, and the error names each of them', async (t) => {
  const name = await freshView()
  const absent = [
    { ident: 'acme/app/9.9.9/20260101000000', target: 'x86_64-linux' },
    { ident: one.ident, target: 'x86_64-windows' },
  ] as const
  await t.rejects(move(started, 'promote', name, [one, ...absent]), {
    code: 'not_found',
    parts: [{ pointer: '/releases/1' }, { pointer: '/releases/2' }],
  })
  t.strictSame(await membersOf(name), [])
  t.equal((await getView(db, name)).revision, 0)
})

test('promoting the current release again writes nothing and reports unchanged', async (t) => {
  const name = await freshView()
  await move(started, 'promote', name, [one])
  const committed: unknown[] = []
  writer.onAnnouncement(({ entries }) => void committed.push(...entries))
  t.match(await move(started, 'promote', name, [one]), {
    revision: 1,
    isChanged: false,
    releases: [{ change: 'unchanged' }],
    pointers: [],
  })
  t.strictSame(committed, [])
})

test('a repeated release counts once', async (t) => {
  t.equal((await move(started, 'promote', await freshView(), [one, one])).releases.length, 1)
})

test('under promoted, demoting the current release falls back to the member promoted last', async (t) => {
  const name = await freshView()
  for (const release of [three, one, two]) await move(started, 'promote', name, [release])
  t.match(await move(started, 'demote', name, [two]), {
    revision: 4,
    pointers: [{ from: two.ident, to: one.ident }],
  })
  t.match(await move(started, 'demote', name, [one]), { pointers: [{ from: one.ident, to: three.ident }] })
  t.match(await move(started, 'demote', name, [three]), { pointers: [{ from: three.ident, to: null }] })
  t.strictSame(await latestOf(name), [])
})

test('under highest, demoting the current release falls back to the highest remaining member', async (t) => {
  const name = await freshView('highest')
  for (const release of [three, two, one]) await move(started, 'promote', name, [release])
  t.match(await move(started, 'demote', name, [three]), { pointers: [{ from: three.ident, to: two.ident }] })
})

test('a demotion does not fall back to a release of its own set', async (t) => {
  const name = await freshView()
  for (const release of [one, two, three]) await move(started, 'promote', name, [release])
  t.match(await move(started, 'demote', name, [two, three]), {
    pointers: [{ from: three.ident, to: one.ident }],
  })
})

test('demoting a member that is not current moves no pointer', async (t) => {
  const name = await freshView()
  await move(started, 'promote', name, [one, two])
  t.match(await move(started, 'demote', name, [one]), {
    revision: 2,
    releases: [{ ident: one.ident, change: 'removed' }],
    pointers: [],
  })
  t.strictSame(await latestOf(name), [two.ident])
})

test('demoting a set is all or nothing', async (t) => {
  const name = await freshView()
  await move(started, 'promote', name, [one])
  await t.rejects(move(started, 'demote', name, [one, two]), { code: 'not_member' })
  t.strictSame(await membersOf(name), [one.ident])
})

test('under promoted, a lower version becomes current and is reported as a downgrade', async (t) => {
  const name = await freshView()
  for (const release of [one, two]) await move(started, 'promote', name, [release])
  t.match(await move(started, 'promote', name, [one]), {
    revision: 3,
    releases: [{ change: 'downgraded', from: two.ident }],
  })
  t.strictSame(await latestOf(name), [one.ident])
})

// If it did not rejoin, the other release would be the one promoted last.
test('a current release that is promoted again beside an older one remains the fallback', async (t) => {
  const name = await freshView()
  await move(started, 'promote', name, [two])
  await move(started, 'promote', name, [one, two])
  await move(started, 'promote', name, [three])
  t.match(await move(started, 'demote', name, [three]), { pointers: [{ to: two.ident }] })
})

test('unstable refuses demotions', async (t) => {
  await t.rejects(move(started, 'demote', 'unstable', [one]), { code: 'refused' })
})

test('of racing promotions that expect the same revision, one wins and the others are stale', async (t) => {
  const name = await freshView()
  const races = await Promise.allSettled(
    [one, two, three, four].map((release) =>
      move(started, 'promote', name, [release], { expectRevision: 0 }),
    ),
  )
  t.strictSame(
    races.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'rejected'],
  )
  for (const race of races) if (race.status === 'rejected') t.match(race.reason, { code: 'stale_revision' })
  t.equal((await getView(db, name)).revision, 1)
})

test('racing promotions without an expected revision all succeed, each with its own revision', async (t) => {
  const name = await freshView()
  const outcomes = await Promise.all(
    [one, two, three, four].map((release) => move(started, 'promote', name, [release])),
  )
  t.strictSame(
    outcomes.map(({ revision }) => revision),
    [1, 2, 3, 4],
  )
  t.strictSame(await latestOf(name), [four.ident])
})

test('a view made by clients accepts an origin after the origin has declared the channel', async (t) => {
  const theirs = await makeReleases(started, 'umbrella/app/1.0.0/20260101000000')
  await writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'nightly', ownerId: 1 },
    actor: OPERATOR,
  })
  t.match(await move(started, 'promote', 'nightly', [one]), { revision: 1 })
  await t.rejects(move(started, 'promote', 'nightly', theirs), { code: 'not_found' })
})

test('a reopened view continues its revisions under its new rule', async (t) => {
  await writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'weekly', ownerId: 1 },
    actor: OPERATOR,
  })
  await move(started, 'promote', 'weekly', [one])
  await writer.submit({ kind: 'removeChannel', input: { origin: 'acme', name: 'weekly' }, actor: OPERATOR })
  await t.rejects(getView(db, 'weekly'), { code: 'not_found' })
  await makeView(started, 'weekly', 'promoted')
  t.match(await getView(db, 'weekly'), { revision: 2, rule: 'promoted', maker: 'operator' })
  t.match(await move(started, 'promote', 'weekly', [one]), { revision: 3 })
})

const caller = await started.actor('admin')

test('a repeated idempotency key gets the first answer, and is refused with another request', async (t) => {
  const name = await freshView()
  const ask = (release: ReleaseRow, requestHash: string) =>
    writer.submit({
      kind: 'promote',
      input: {
        view: name,
        releases: [release],
        expectRevision: 0,
        idempotency: { key: `key of ${name}`, requestHash },
      },
      actor: caller,
    })
  // Both are queued at once, like a request and its repetition by an impatient client.
  const [first, again] = await Promise.all([ask(one, 'a'), ask(one, 'a')])
  t.match(first, { revision: 1, isChanged: true })
  t.strictSame(again, first)
  await move(started, 'promote', name, [two])
  t.strictSame(await ask(one, 'a'), first)
  await t.rejects(ask(three, 'b'), { code: 'idempotency_mismatch' })
  t.equal((await getView(db, name)).revision, 2)
})

test('an idempotency key is forgotten after seven days', async (t) => {
  const name = await freshView()
  const ask = (key: string) =>
    writer.submit({
      kind: 'promote',
      input: { view: name, releases: [one], idempotency: { key, requestHash: 'a' } },
      actor: caller,
    })
  await ask('weekly')
  const later = started.depot.now() + 8 * 86_400_000
  started.setClock(later)
  await ask('another')
  const kept = await db.selectFrom('idempotency_keys').select('key').execute()
  t.strictSame(
    kept.map(({ key }) => key),
    ['another'],
  )
})

test('a change that is too large is refused; the error names the limit and not the size', async (t) => {
  const view = await getView(db, await freshView())
  t.doesNotThrow(() => expectMovable(view, 10_000))
  t.throws(() => expectMovable(view, 10_001), {
    code: 'too_large',
    message: `one change of ${view.name} may move 10000 releases, and this would move more: narrow it by origin or name`,
  })
  t.doesNotThrow(() => expectMovable(view, 2_500, { previews: 3 }))
  t.throws(() => expectMovable(view, 2_501, { previews: 3 }), {
    code: 'too_large',
  })
  t.throws(() => expectMovable(view, 10_001, { act: 'set-rule' }), {
    code: 'too_large',
  })
})
