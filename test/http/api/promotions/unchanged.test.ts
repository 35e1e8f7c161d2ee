import tap, { test } from 'tap'
import { Answers } from '../../../../src/answers/answers.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// Promotions of what is current are answered from memory, as the writer would answer them.

const ACTOR = { client: 'tests', door: 'cli' } as const
const started = await startDepot(tap)
const [app1, app2, web, secret] = (await makeReleases(
  started,
  'acme/app/1/20260101000000',
  'acme/app/2/20260101000000',
  'acme/web/1/20260101000000',
  'acme/secret/1/20260101000000',
)) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
await setVisibility(started, secret.ident, 'private')
const emptyBody = () => Buffer.alloc(0)
let commands = 0
started.depot.writer.onAnnouncement((_announcement, commit) => void (commands += commit?.commands ?? 0))

/** Promotes releases, and returns the answer with the number of commands that it took. */
async function promote(
  view: string,
  releases: readonly ReleaseRow[],
  {
    token,
    headers,
    ...fields
  }: { token?: string; headers?: Record<string, string>; [field: string]: unknown } = {},
) {
  const before = commands
  const answer = await callApi(started, 'POST', `/api/v1/views/${view}/promotions`, {
    ...(token !== undefined && { token }),
    ...(headers !== undefined && { headers }),
    body: { releases: releases.map(({ ident, target }) => ({ ident, target })), ...fields },
  })
  return { ...answer, commands: commands - before }
}

test('a promotion of what is current is answered without the writer, as the writer answers it', async (t) => {
  await makeView(started, 'prod', 'promoted')
  t.match(await promote('prod', [app1, web]), {
    status: 200,
    commands: 1,
    body: { revision: 1, changed: true },
  })
  const again = await promote('prod', [web, app1, web], { reason: 'a retry' })
  t.match(again, { status: 200, commands: 0, differences: '', body: { revision: 1, changed: false } })
  const written = await promote('prod', [web, app1, web], { expect_revision: 1 })
  t.equal(written.commands, 1)
  t.strictSame(again.body, written.body)
  t.equal(again.headers['etag'], written.headers['etag'])
})

test('a thread that starts later knows the same revisions', async (t) => {
  const answers = await Answers.open(started.depot.db, { whole: emptyBody, brief: emptyBody })
  const { number, hash } = answers.revisionOf('prod')
  const { body: answer } = await promote('prod', [app1])
  t.equal(answer?.['revision_id'], `${number}-${hash.slice(0, 16)}`)
  t.strictSame(answers.revisionOf('nowhere'), { number: 0, hash: '0'.repeat(64) })
})

test('the writer decides whatever has a condition, a key or an override, and whatever is not only current', async (t) => {
  await makeView(started, 'careful', 'promoted')
  await promote('careful', [app1])
  for (const options of [
    { expect_revision: 1 },
    { headers: { 'if-match': '"1"' } },
    { headers: { 'idempotency-key': 'one' } },
    { override: { reason: 'none' } },
    { with_deps: true },
  ])
    t.match(await promote('careful', [app1], options), { status: 200, commands: 1, body: { changed: false } })
  t.match(await promote('careful', [app1], { expect_revision: 2 }), { status: 412, commands: 1 })
  t.match(await promote('careful', [app1, web]), { status: 200, commands: 1, body: { changed: true } })
  await move(started, 'promote', 'careful', [app2])
  t.match(await promote('careful', [app1]), { status: 200, commands: 1, body: { changed: true } })
  await move(started, 'demote', 'careful', [app1])
  t.match(await promote('careful', [app1]), { status: 200, commands: 1, body: { changed: true } })
})

test('a promoter who may not see a release does not learn whether it is current', async (t) => {
  await makeView(started, 'shared', 'promoted')
  await promote('shared', [secret])
  const token = await started.account('outsider')
  await started.depot.writer.submit({
    kind: 'setGates',
    input: { view: 'shared', gates: { promoters: ['outsider'] } },
    actor: ACTOR,
  })
  t.match(await promote('shared', [secret], { token }), { status: 404 })
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'outsider', role: 'member' },
    actor: ACTOR,
  })
  t.match(await promote('shared', [secret], { token }), { status: 200, commands: 0 })
})

test('a promoter is refused as soon as the gates no longer name them', async (t) => {
  await makeView(started, 'handed-over', 'promoted')
  await promote('handed-over', [app1])
  const token = await started.account('predecessor')
  const setPromoters = (...promoters: string[]) =>
    started.depot.writer.submit({
      kind: 'setGates',
      input: { view: 'handed-over', gates: { promoters } },
      actor: ACTOR,
    })
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'predecessor', role: 'member' },
    actor: ACTOR,
  })
  await setPromoters('predecessor')
  t.match(await promote('handed-over', [app1], { token }), { status: 200, commands: 0 })
  await setPromoters()
  t.match(await promote('handed-over', [app1], { token }), { status: 403, commands: 0 })
})

test('the writer decides about a release with a mark, so that its answer has the note', async (t) => {
  await makeView(started, 'old', 'promoted')
  await promote('old', [web])
  await callApi(started, 'PUT', `/api/v1/releases/${web.ident}/deprecation`, { body: { reason: 'use app' } })
  const again = await promote('old', [web])
  t.match(again, { status: 200, commands: 1, body: { changed: false, notes: [/is deprecated: use app/] } })
  const later = await Answers.open(started.depot.db, { whole: emptyBody, brief: emptyBody })
  t.notOk(later.isCurrent('old', web), 'a thread that starts later knows the mark')
})

test('If-Match and expect_revision may not name one revision with different hashes', async (t) => {
  await makeView(started, 'doubted', 'promoted')
  const headers = { 'if-match': '"1-0000000000000000"' }
  t.match(await promote('doubted', [app1], { headers, expect_revision: '1-1111111111111111' }), {
    status: 400,
    body: { code: 'invalid_request' },
  })
})
