import tap, { test } from 'tap'
import { DepotError } from '../../src/errors.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { packError } from '../../src/threads/thread-error.ts'
import { packMessage, unpackMessage } from '../../src/writer/packed-message.ts'
import type { WriterMessage } from '../../src/writer/packed-message.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

const ACTOR = { client: 'tests', door: 'cli' } as const

/** The depot of all tests, because starting its threads takes longer than they do. The last one closes it. */
const started = await startDepot(tap, { hasThreads: true })
const { depot } = started
const releases = await makeReleases(
  started,
  'acme/app/1.0.0/20260101120000',
  'acme/app/2.0.0/20260101120000',
  'acme/lib/1.0.0/20260101120000',
)

test('a message of the writer is unpacked as it was packed', (t) => {
  const link = { salt: 'a'.repeat(32), digest: 'b'.repeat(64), hash: 'c'.repeat(64) }
  const message: WriterMessage = {
    announcements: [
      { entries: [], through: 4, commit: undefined },
      {
        entries: [
          { sequence: 5, text: '{"at":1}', ...link },
          { sequence: 6, text: '{"at":2}', ...link },
        ],
        through: 6,
        commit: { commands: 3, durationMs: 0.5 },
      },
    ],
    outcomes: [
      { id: 1, outcome: undefined },
      { id: 2, outcome: { view: 'stable', pointers: [{ from: null }] } },
      { id: 3, error: packError(new DepotError('not_found', 'there is no view "stable"')) },
      { id: 4, outcome: 'added' },
    ],
  }
  t.strictSame(unpackMessage(structuredClone(packMessage(message))), message)
  t.strictSame(unpackMessage(packMessage({ announcements: [], outcomes: [] })), {
    announcements: [],
    outcomes: [],
  })
  t.end()
})

test('commands that wait together are committed together, and each gets its own outcome', async (t) => {
  const batches: number[] = []
  depot.writer.onAnnouncement((_announcement, commit) => void batches.push(commit?.commands ?? 0))
  const names = Array.from({ length: 60 }, (_, n) => (n % 3 === 0 ? 'taken' : `account-${n}`))
  const outcomes = await Promise.allSettled(
    names.map((name) => depot.writer.submit({ kind: 'addAccount', input: { name }, actor: ACTOR })),
  )
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 41)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') t.match(outcome.reason, { name: 'DepotError', code: 'already_exists' })
  t.equal(
    batches.reduce((sum, commands) => sum + commands, 0),
    60,
  )
  t.ok(batches.length < names.length / 2, `${batches.length} commits`) // usually two; more on a busy machine
})

test('listeners hear of a commit before its command is answered', async (t) => {
  let heard = 0
  depot.writer.onAnnouncement(({ through }) => void (heard = through))
  for (let round = 0; round < 20; round += 1) {
    const before = heard
    await move(started, 'promote', 'acceptance', releases.slice(round % 2, (round % 2) + 1))
    t.ok(heard > before)
    t.equal((await findHead(depot.db)).sequence, heard)
  }
})

test('a refusal keeps its causes across threads', async (t) => {
  await t.rejects(
    move(started, 'promote', 'acceptance', [
      { ident: 'acme/app/9.0.0/20260101120000', target: 'x86_64-linux' },
    ]),
    { code: 'not_found' },
  )
  await t.rejects(
    move(
      started,
      'promote',
      'acceptance',
      [{ ident: 'acme/app/1.0.0/20260101120000', target: 'x86_64-linux' }],
      { expectRevision: 7 },
    ),
    { code: 'stale_revision' },
  )
})

test("a refusal keeps Builder's text across threads", async (t) => {
  const [, , release] = releases
  if (release === undefined) throw new Error('there is no release')
  await move(started, 'promote', 'stable', [release])
  const builderText = "Deleting package in stable channel not allowed 'acme/lib/1.0.0/20260101120000'"
  await t.rejects(depot.writer.submit({ kind: 'deleteRelease', input: release, actor: ACTOR }), {
    code: 'in_use',
    builderText,
  })
})

test('closing commits submitted commands and refuses later ones', async (t) => {
  const submitted = Array.from({ length: 10 }, (_, n) =>
    depot.writer.submit({ kind: 'addAccount', input: { name: `late-${n}` }, actor: ACTOR }),
  )
  await depot.writer.close()
  t.equal((await Promise.all(submitted)).length, 10)
  await t.rejects(depot.writer.submit({ kind: 'addAccount', input: { name: 'later' }, actor: ACTOR }), {
    code: 'shutting_down',
  })
})
