import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../src/access/access.ts'
import type { Actor } from '../../src/access/access.ts'
import type { LedgerEntry } from '../../src/ledger/entry.ts'
import { listPointersAt } from '../../src/revisions/content-store.ts'
import { getView } from '../../src/revisions/view-store.ts'
import type { Command } from '../../src/commands/commands.ts'
import { ReadAhead } from '../../src/ledger/read-ahead.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

// A command that reads for too long is postponed: it reads on a snapshot, in turns with others, and is
// checked again if something has changed since. In this file, the test decides when a command reads for too
// long.

const OPERATOR = { client: 'tests', door: 'cli' } as const
const STAMP = '20260101000000'
let isLong = false
let time = 0
const started = await startDepot(tap, { elapsed: () => (time += isLong ? 1_000 : 0) })
const { db, writer } = started.depot
const [one, two, web] = (await makeReleases(
  started,
  `acme/app/1.0/${STAMP}`,
  `acme/app/2.0/${STAMP}`,
  `acme/web/1.0/${STAMP}`,
)) as [ReleaseRow, ReleaseRow, ReleaseRow]

let views = 0
async function freshView(): Promise<string> {
  views += 1
  await makeView(started, `view-${views}`, 'promoted')
  return `view-${views}`
}

/** Submits a command that reads for too long, and resolves when it reads on a snapshot. */
async function postpone(command: Command): Promise<{ outcome: Promise<unknown> }> {
  isLong = true
  const outcome = writer.submit(command)
  outcome.catch(() => undefined) // awaited later
  await writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: `channel-${(views += 1)}`, ownerId: 1 },
    actor: OPERATOR,
  })
  isLong = false
  for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate)
  return { outcome }
}

const run = async (command: Command) => (await postpone(command)).outcome
const promotion = (
  view: string,
  releases: readonly ReleaseRow[],
  actor: Actor = OPERATOR,
): Command<'changeView'> => ({
  kind: 'changeView',
  input: { request: { view, act: 'promote', source: { releases } } },
  actor,
})
const latestOf = async (name: string) => {
  const view = await getView(db, name)
  return (await listPointersAt(db, view, view.revision, { limit: 100 }, UNRESTRICTED_AUDIENCE)).map(
    ({ ident }) => ident,
  )
}

test('a command submitted while a long one reads is committed first', async (t) => {
  const [large, small] = [await freshView(), await freshView()]
  const { outcome } = await postpone(promotion(large, [one, web]))
  await move(started, 'promote', small, [one])
  t.strictSame(await latestOf(small), [one.ident])
  t.strictSame(await latestOf(large), [], 'the long one is still reading')
  t.match(await outcome, { revision: 1, isChanged: true })
  t.strictSame(await latestOf(large), [one.ident, web.ident])
})

test('a change of the same view meanwhile is noticed, and the effect is computed again', async (t) => {
  const view = await freshView()
  const { outcome } = await postpone(promotion(view, [two]))
  await move(started, 'promote', view, [one])
  t.match(await outcome, { revision: 2, releases: [{ ident: two.ident, change: 'moved', from: one.ident }] })
})

test('a command that expects a revision is refused if the view has changed meanwhile', async (t) => {
  const view = await freshView()
  const command = promotion(view, [two])
  const { outcome } = await postpone({ ...command, input: { ...command.input, expectRevision: 0 } })
  await move(started, 'promote', view, [one])
  await t.rejects(outcome, { code: 'stale_revision' })
})

test('a release deleted meanwhile is not promoted', async (t) => {
  const view = await freshView()
  const [gone] = (await makeReleases(started, `acme/gone/1.0/${STAMP}`)) as [ReleaseRow]
  const { outcome } = await postpone(promotion(view, [one, gone]))
  await writer.submit({ kind: 'deleteRelease', input: gone, actor: OPERATOR })
  await t.rejects(outcome, { code: 'not_found', message: /acme\/gone/ })
  t.strictSame(await latestOf(view), [])
})

test('gates set meanwhile apply, and so do departures from views that they require', async (t) => {
  const [required, view] = [await freshView(), await freshView()]
  await move(started, 'promote', required, [one])
  const ruled = await postpone(promotion(view, [one, two]))
  await writer.submit({
    kind: 'setGates',
    input: { view, gates: { requires: [{ view: required, as: 'member' }] } },
    actor: OPERATOR,
  })
  await t.rejects(ruled.outcome, { code: 'refused', message: /acme\/app\/2\.0.* is not in/ })
  const left = await postpone(promotion(view, [one]))
  await move(started, 'demote', required, [one])
  await t.rejects(left.outcome, { code: 'refused', message: /acme\/app\/1\.0.* is not in/ })
})

test('a phase that fails meanwhile is noticed', async (t) => {
  const [required, view] = [await freshView(), await freshView()]
  await move(started, 'promote', required, [one])
  await writer.submit({
    kind: 'setGates',
    input: { view, gates: { requires: [{ view: required, as: 'member', phases: ['smoke'] }] } },
    actor: OPERATOR,
  })
  const { publicId: change } = await writer.submit({
    kind: 'recordChange',
    input: { project: 'acme/app', change: 'c1', commit: 'c1', targets: [] },
    actor: OPERATOR,
  })
  await writer.submit({
    kind: 'addChangeRelease',
    input: { change, ident: one.ident, isRebuild: false },
    actor: OPERATOR,
  })
  const report = (status: 'passed' | 'failed') =>
    writer.submit({
      kind: 'reportPhase',
      input: { change, phase: 'smoke', view: required, status },
      actor: OPERATOR,
    })
  await report('passed')
  const { outcome } = await postpone(promotion(view, [one]))
  await report('failed')
  await t.rejects(outcome, { code: 'refused', message: /smoke/ })
})

test('after a role or a token is lost meanwhile, the change is refused', async (t) => {
  const view = await freshView()
  const give = async (role: 'maintainer' | 'member') =>
    writer.submit({ kind: 'setMember', input: { origin: 'acme', account: 'ci', role }, actor: OPERATOR })
  await started.account('ci')
  await give('maintainer')
  const actor = await started.actor('ci')
  const lost = await postpone(promotion(view, [one], actor))
  await give('member')
  await t.rejects(lost.outcome, { code: 'forbidden' })
  await give('maintainer')
  const revoked = await postpone(promotion(view, [one], actor))
  await writer.submit({ kind: 'revokeToken', input: { tokenId: actor.tokenId }, actor: OPERATOR })
  await t.rejects(revoked.outcome, { code: 'unauthenticated' })
  t.strictSame(await latestOf(view), [])
})

test('a release that becomes private meanwhile is promoted only by callers who see it', async (t) => {
  const view = await freshView()
  const [secret] = (await makeReleases(started, `umbrella/secret/1.0/${STAMP}`)) as [ReleaseRow]
  await writer.submit({ kind: 'addAccount', input: { name: 'named' }, actor: OPERATOR })
  await writer.submit({ kind: 'setGates', input: { view, gates: { promoters: ['named'] } }, actor: OPERATOR })
  const { outcome } = await postpone(promotion(view, [one, secret], await started.actor('named')))
  await writer.submit({
    kind: 'setVisibility',
    input: { ident: secret.ident, visibility: 'private' },
    actor: OPERATOR,
  })
  await t.rejects(outcome, { code: 'not_found' })
})

test('uploads, new channels and other views do not invalidate a read, and views of the gates do', async (t) => {
  const [view, other] = [await freshView(), await freshView()]
  const entries: LedgerEntry[] = []
  writer.onAnnouncement((announcement) => void entries.push(...announcement.entries))
  const ahead = new ReadAhead()
  ahead.store('effect', { views: [view], membersOf: [other] }, 'what was read')
  await makeReleases(started, `acme/later/1.0/${STAMP}`)
  await move(started, 'promote', other, [two])
  await makeView(started, `view-${(views += 1)}`, 'promoted')
  ahead.onCommit(entries.splice(0))
  t.strictSame(ahead.take('effect')?.value, 'what was read')
  t.equal(ahead.take('something else'), undefined)
  const after = (name: string, basis: { views: string[]; membersOf?: string[] }) => {
    const fresh = new ReadAhead()
    fresh.store(name, basis, 1)
    fresh.onCommit(entries)
    return () => fresh.take(name)
  }
  await move(started, 'demote', other, [two])
  t.throws(after('what must stay', { views: [view], membersOf: [other] }), /has changed/)
  t.throws(after('what must not move', { views: [other] }), /has changed/)
  t.doesNotThrow(after('another view', { views: [view] }))
})

test('a promotion into a view that changes constantly is made eventually', async (t) => {
  const view = await freshView()
  const { outcome } = await postpone(promotion(view, [web]))
  let isDone = false
  const done = outcome.finally(() => (isDone = true))
  let others = 0
  for (const ends = () => isDone; !ends(); others += 1) {
    await writer.submit({
      ...promotion(view, [others % 2 === 0 ? one : two]),
      kind: 'promote',
      input: { view, releases: [others % 2 === 0 ? one : two] },
    })
    await new Promise(setImmediate)
  }
  t.match(await done, { isChanged: true, pointers: [{ to: web.ident }] })
  t.ok(others > 3, `${others} others`)
})

test('refusals and changes without effect need no transaction', async (t) => {
  const view = await freshView()
  await move(started, 'promote', view, [one])
  const same = await postpone(promotion(view, [one]))
  t.match(await same.outcome, { isChanged: false, revision: 1 })
  const absent = await postpone(
    promotion(view, [{ ident: `acme/nothing/1.0/${STAMP}`, target: 'x86_64-linux' }]),
  )
  await t.rejects(absent.outcome, { code: 'not_found' })
})

test('bulk moves, channels, plans, rollbacks and previews read ahead too', async (t) => {
  const actor = await started.actor('admin')
  await makeReleases(started, `bulk/app/1.0/${STAMP}`, `bulk/web/1.0/${STAMP}`)
  t.match(
    await run({
      kind: 'promoteAll',
      input: { origin: 'bulk', source: 'unstable', view: 'bulk-1', ownerId: 1 },
      actor,
    }),
    { isChanged: true, revision: 1 },
  )
  t.match(
    await run({
      kind: 'promoteAll',
      input: { origin: 'bulk', source: 'unstable', view: 'bulk-2', ownerId: 1 },
      actor,
    }),
    { isChanged: true },
  )
  t.match(
    await run({
      kind: 'demoteAll',
      input: { origin: 'bulk', source: 'bulk-2', view: 'bulk-1', ownerId: 1 },
      actor,
    }),
    { isChanged: true, revision: 2 },
  )
  t.match(await run({ kind: 'removeChannel', input: { origin: 'bulk', name: 'bulk-2' }, actor }), {
    isChanged: true,
  })
  const view = await freshView()
  await move(started, 'promote', view, [one])
  t.match(
    await run({
      kind: 'draftPlan',
      input: { token: 'plan-1', request: { view, act: 'promote', source: { releases: [two] } } },
      actor,
    }),
    { token: 'plan-1' },
  )
  t.match(await run({ kind: 'makePreview', input: { name: 'shown', plan: 'plan-1' }, actor }), {
    name: 'shown',
  })
  t.strictSame(await latestOf('shown'), [two.ident])
  t.match(
    await run({
      kind: 'applyPlan',
      input: { plan: 'plan-1', nextToken: 'plan-2', idempotency: { key: 'k', requestHash: 'h' } },
      actor,
    }),
    { outcome: { revision: 2 } },
  )
  t.match(
    await run({
      kind: 'applyPlan',
      input: { plan: 'plan-1', nextToken: 'plan-2', idempotency: { key: 'k', requestHash: 'h' } },
      actor,
    }),
    { outcome: { revision: 2 } },
    'sent again',
  )
  t.match(
    await run({
      kind: 'changeView',
      input: { request: { view, act: 'rollback', to: { revision: 1 } } },
      actor,
    }),
    { revision: 3, pointers: [{ to: one.ident }] },
  )
})

test('a closing depot answers commands that are reading ahead', async (t) => {
  const closing = await startDepot(t, { elapsed: () => (time += 1_000) })
  const releases = await makeReleases(closing, `acme/app/1.0/${STAMP}`)
  const outcome = closing.depot.writer.submit(promotion('delivered', releases))
  await closing.close()
  t.match(await outcome, { isChanged: true })
})

test('a command that reads too long is refused like any other when the data folder is gone', async (t) => {
  const scratch = await mkdtemp(join(tmpdir(), 'hart-depot-read-ahead-'))
  t.teardown(() => rm(scratch, { recursive: true }))
  const folder = join(scratch, 'data')
  const gone = await startDepot(t, { folder, elapsed: () => (time += 1_000) })
  const releases = await makeReleases(gone, `acme/app/1.0/${STAMP}`)
  await rename(folder, `${folder}.aside`)
  await t.rejects(gone.depot.writer.submit(promotion('delivered', releases)), { code: 'data_gone' })
  await rename(`${folder}.aside`, folder)
})
