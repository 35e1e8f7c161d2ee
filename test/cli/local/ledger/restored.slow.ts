import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { callApi } from '../../../support/call-api.ts'
import { ask, converse } from '../../../support/ask.ts'
import { makeReleases, makeView, move } from '../../../support/release-rows.ts'
import type { ReleaseRow } from '../../../support/release-rows.ts'
import { bearer, makeOrigin, publishAll } from '../../../support/origin.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'
import { RemoteDepot } from '../../../../src/remote/remote-depot.ts'
import { getViewRevision, promote } from '../../../../src/remote/destination.ts'

/** Replaces the database of a closed depot with a copy. */
async function putBack(folder: string, copy: string): Promise<void> {
  for (const suffix of ['-wal', '-shm']) await rm(join(folder, `depot.sqlite${suffix}`), { force: true })
  await copyFile(copy, join(folder, 'depot.sqlite'))
}

/**
 * A depot that was restored from a copy. Its view `prod` was at revision 1 in the copy and at revision 2 in
 * the lost history.
 */
async function makeHistories(t: Test) {
  const folder = await scratchFolder(t)
  const copy = join(await scratchFolder(t), 'copy.sqlite')
  const before = await startDepot(t, { folder })
  const releases = (await makeReleases(
    before,
    'acme/app/1.0.0/20260101000000',
    'acme/web/1.0.0/20260101000000',
    'acme/other/1.0.0/20260101000000',
  )) as [ReleaseRow, ReleaseRow, ReleaseRow]
  await makeView(before, 'prod', 'promoted')
  await move(before, 'promote', 'prod', [releases[0]])
  const known = await marksOf(before)
  await before.close()
  await copyFile(join(folder, 'depot.sqlite'), copy)

  const lost = await startDepot(t, { folder })
  await move(lost, 'promote', 'prod', [releases[1]])
  const gone = await marksOf(lost)
  await lost.close()
  await putBack(folder, copy)
  return { folder, releases, known, gone }
}

/** The marks that a client holds after it has read everything. */
async function marksOf(started: TestDepot) {
  const { body: head, differences } = await callApi(started, 'GET', '/api/v1/ledger')
  const view = await callApi(started, 'GET', '/api/v1/views/prod')
  if (differences !== '' || view.differences !== '') throw new Error(differences + view.differences)
  return {
    sequence: Number(head?.['sequence']),
    position: String(head?.['position']),
    revision: String(view.body?.['revision_id']),
    tag: String(view.headers['etag']),
  }
}

const LATEST = '/api/v1/views/prod/latest/acme/app'
const otherHistory = { status: 409, differences: '', body: { code: 'other_history' } }

test('positions of a lost history are refused, and earlier positions remain valid', async (t) => {
  const {
    folder,
    releases: [app, web, other],
    known,
    gone,
  } = await makeHistories(t)
  const started = await startDepot(t, { folder, listen: true })
  const events = (after: string) => callApi(started, 'GET', `/api/v1/events?after=${after}`)
  const demote = (body: object, headers = {}) =>
    callApi(started, 'POST', '/api/v1/views/prod/demotions', { body: { releases: [app], ...body }, headers })
  t.match(known.position, /^\d+-[0-9a-f]{16}$/)
  t.match(known.revision, /^1-[0-9a-f]{16}$/)
  t.match(known.tag, `"${known.revision}-`)

  t.match(await events(gone.position), otherHistory, 'the position is past the end of the ledger')
  t.match(await callApi(started, 'GET', `${LATEST}?min_revision=${gone.revision}`), otherHistory)
  t.match(
    await callApi(started, 'GET', `${LATEST}?min_revision=${gone.revision}&wait=60`),
    otherHistory,
    'the request does not wait',
  )
  t.match(await demote({ expect_revision: gone.revision }), otherHistory)

  const promoted = await callApi(started, 'POST', '/api/v1/views/prod/promotions', {
    body: { releases: [other], expect_revision: known.revision },
  })
  t.match(promoted, {
    status: 200,
    differences: '',
    body: { revision: 2, revision_id: (await marksOf(started)).revision },
  })
  t.match(
    await callApi(started, 'POST', '/api/v1/views/prod/promotions', {
      body: { releases: [web] },
      headers: { 'if-match': (await marksOf(started)).tag },
    }),
    { status: 200, body: { revision: 3 } },
  )
  t.match(await events(gone.position), otherHistory, 'another entry has this number')
  t.match(
    await callApi(started, 'GET', '/api/v1/events', {
      headers: { accept: 'text/event-stream', 'last-event-id': gone.position },
    }),
    otherHistory,
  )
  t.match(await callApi(started, 'GET', `${LATEST}?min_revision=${gone.revision}`), otherHistory)
  t.match(await demote({ expect_revision: gone.revision }), otherHistory)
  t.match(await demote({}, { 'if-match': gone.tag }), otherHistory)
  t.match(await demote({ expect_revision: 2 }, { 'if-match': gone.tag }), otherHistory)
  for (const [path, body] of [
    ['prod/rollbacks', { to: gone.revision }],
    ['prod/reverts', { revision: gone.revision }],
    ['union/promotions', { from: { view: 'prod', at: gone.revision } }],
  ] as const) {
    t.match(await callApi(started, 'POST', `/api/v1/views/${path}`, { body }), otherHistory, path)
  }
  for (const path of ['content', 'members', 'lockfile'])
    t.match(
      await callApi(started, 'GET', `/api/v1/views/prod/${path}?at=${gone.revision}`),
      { status: 409, body: { code: 'other_history' } },
      path,
    )
  t.match(await callApi(started, 'GET', `/api/v1/views/prod/content?at=${known.revision}`), {
    status: 200,
    body: { revision: 1 },
  })

  t.match(await events(known.position), {
    status: 200,
    differences: '',
    body: { events: [{ sequence: known.sequence + 1 }, {}], position: (await marksOf(started)).position },
  })
  t.match(
    await events(String(known.sequence)),
    { status: 200, body: { events: [{}, {}] } },
    'plain numbers are still accepted',
  )
  t.match(await callApi(started, 'GET', `${LATEST}?min_revision=${known.revision}`), {
    status: 200,
    differences: '',
  })
  t.match(await demote({ expect_revision: known.revision }), {
    status: 412,
    differences: '',
    body: { code: 'stale_revision' },
  })
  t.match(await demote({ expect_revision: 2 }), { status: 412 })
  t.match(
    await demote({ expect_revision: 3 }, { 'if-match': '"3-0123456789ab"' }),
    { status: 200 },
    'tags of earlier versions of the depot are accepted',
  )
  for (const bad of ['3-', '3-xyz', '-1', '3-0123456789abcdef0']) {
    t.match(await demote({ expect_revision: bad }), { status: 400, differences: '' }, bad)
    t.match(await events(bad), { status: 400, differences: '' }, bad)
  }
})

test('a stream uses positions as event ids if it started at one, and numbers otherwise', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeView(started, 'prod', 'promoted')
  const { position, sequence } = await marksOf(started)
  for (const [after, first] of [
    [position, `id: ${position}\n\n`],
    [String(sequence), `id: ${sequence}\n\n`],
  ] as const) {
    const talk = converse(started.url)
    await talk.say(
      `GET /api/v1/events?after=${after} HTTP/1.1\r\nHost: depot\r\nAccept: text/event-stream\r\n\r\n`,
    )
    await talk.hear(new RegExp(`\\n${first}`))
    await makeView(started, `another-${after}`, 'promoted')
    const { position: next, sequence: nextSequence } = await marksOf(started)
    await talk.hear(new RegExp(`\\nid: ${after === position ? next : nextSequence}\\nevent: `))
    talk.socket.destroy()
  }
})

test('the client of other depots sends the revision together with its history', async (t) => {
  const {
    folder,
    releases: [, web],
  } = await makeHistories(t)
  const started = await startDepot(t, { folder, listen: true })
  const destination = new RemoteDepot({
    url: `${started.url}/v1`,
    token: ADMIN_TOKEN,
    pause: async () => undefined,
  })
  const { revision, expected } = await getViewRevision(destination, 'prod')
  t.strictSame([revision, expected], [1, (await marksOf(started)).revision])
  const pullOnto = (expectRevision: number | string) =>
    promote(destination, 'prod', { set: { releases: [web] }, reason: 'a pull', expectRevision })
  await t.rejects(pullOnto('1-0123456789abcdef'), {
    message: /answered 409: revision 1 of prod is not 1-0123456789abcdef/,
  })
  t.match(await pullOnto(expected), { revision: 2 })
})

test('restored starts a new history, and the operator adopts or discards the orphans', async (t) => {
  const folder = await scratchFolder(t)
  const copy = join(await scratchFolder(t), 'copy.sqlite')
  const environment = { DEPOT_DATA: folder }
  const before = await startDepot(t, { folder, listen: true })
  await makeOrigin(before)
  const [kept, deleted] = await publishAll(
    before,
    'acme/app/1.0.0/20260101000000',
    'acme/old/1.0.0/20260101000000',
  )
  await before.close()
  await copyFile(join(folder, 'depot.sqlite'), copy)
  t.match(await runHere(['restored', '--adopt', 'all'], environment), {
    code: 3,
    stderr: /^hart-depot: the depot was not marked as restored/,
  })

  const lost = await startDepot(t, { folder, listen: true })
  await makeOrigin(lost, 'umbrella')
  const [adopted, discarded, stranger] = await publishAll(
    lost,
    'acme/new/1.0.0/20260101000000',
    'acme/unwanted/1.0.0/20260101000000',
    'umbrella/app/1.0.0/20260101000000',
  )
  if (
    kept === undefined ||
    deleted === undefined ||
    adopted === undefined ||
    discarded === undefined ||
    stranger === undefined
  )
    throw new Error('unreachable')
  t.match(
    await ask(`${lost.url}/v1/depot/pkgs/acme/old/1.0.0/20260101000000`, {
      method: 'DELETE',
      headers: bearer(),
    }),
    { status: 204 },
  )
  t.match(await runHere(['restored'], environment), {
    code: 1,
    stdout: '',
    stderr: /^hart-depot: another hart-depot is running on .*: stop it first\n$/,
  })
  await lost.close()
  await mkdir(join(folder, 'blobs', 'ab'), { recursive: true })
  await writeFile(join(folder, 'blobs', 'ab', 'ab'.repeat(32)), 'no package')
  await putBack(folder, copy)

  const begun = await runHere(['restored'], environment)
  t.match(begun, { code: 0, stderr: '' })
  t.match(begun.stdout, /^A new history starts: [0-9a-f]{16}\. /)
  const listed = await runHere(['restored', '--list', '--json'], environment)
  t.match(JSON.parse(listed.stdout), { incarnation: null, done: [], missing: [deleted.checksum] })
  t.match((await runHere(['restored', '--list', '--quiet'], environment)).stdout, `${adopted.checksum}\n`)
  t.match(begun.stdout, new RegExp(`MISSING\\n${deleted.checksum}\\n`))
  t.match(
    begun.stdout,
    new RegExp(`${adopted.checksum} +.*acme/new/1\\.0\\.0/20260101000000 for x86_64-linux, signed by acme-`),
  )
  t.match(begun.stdout, /(ab){32} +10 B +not a hart file/)
  t.notMatch(begun.stdout, kept.checksum)

  // The server may run now. It keeps the orphans, even if an upload of the same bytes is refused.
  const between = await startDepot(t, { folder, listen: true })
  t.match((await callApi(between, 'GET', '/api/v1/ledger')).body, { incarnation: /^[0-9a-f]{16}$/ })
  const talk = converse(between.url)
  await talk.say('GET /api/v1/events?after=0 HTTP/1.1\r\nHost: depot\r\nAccept: text/event-stream\r\n\r\n')
  await talk.hear(
    /\nid: \d+-[0-9a-f]{16}\nevent: depot-restored\ndata: .*"event":\{"incarnation":"[0-9a-f]{16}"\}/,
  )
  talk.socket.destroy()
  t.match(between.logged.map(({ msg }) => msg).join('\n'), /files that no release needs are kept/)
  await between.close()

  t.match(await runHere(['restored', '--discard', discarded.checksum.slice(0, 3)], environment), {
    code: 5,
    stderr: /no orphan has a checksum that starts with/,
  })
  t.match(await runHere(['restored', '--discard', discarded.checksum.slice(0, 12)], environment), {
    code: 0,
    stdout: new RegExp(`^${discarded.checksum} +discarded\n`),
  })
  const all = await runHere(['restored', '--adopt', 'all'], environment)
  t.match(all, {
    code: 1,
    stdout: `${adopted.checksum}  published acme/new/1.0.0/20260101000000 for x86_64-linux as private\n`,
  })
  t.match(all.stderr, new RegExp(`${stranger.checksum} +there is no origin umbrella\n`))
  t.match(await runHere(['restored', '--discard', 'all'], environment), {
    code: 0,
    stdout: /There are no orphans\. The server may start\.\n$/,
  })
  t.match(await runHere(['verify'], environment), {
    code: 1,
    stdout: new RegExp(
      `the views and their history agree\n\nFILE +DAMAGE +RELEASES\n${deleted.checksum} +missing +acme/old/1.0.0/20260101000000\n$`,
    ),
  })

  const after = await startDepot(t, { folder, listen: true })
  t.notMatch(after.logged.map(({ msg }) => msg).join('\n'), /files that no release needs are kept/)
  t.match((await callApi(after, 'GET', '/api/v1/releases/acme/new/1.0.0/20260101000000')).body, {
    visibility: 'private',
    checksum: adopted.checksum,
    publisher: 'admin',
  })
  t.match(await callApi(after, 'GET', '/api/v1/releases/acme/new/1.0.0/20260101000000', { token: null }), {
    status: 404,
  })
  const files = (await readdir(join(folder, 'blobs'), { recursive: true })).filter((name) =>
    /^..\/[0-9a-f]{64}$/.test(name),
  )
  t.strictSame(
    files.toSorted(),
    [kept, adopted].map(({ checksum }) => `${checksum.slice(0, 2)}/${checksum}`).toSorted(),
  )
})

test('restored refuses a missing depot and conflicting options', async (t) => {
  const DEPOT_DATA = join(await scratchFolder(t), 'nothing')
  t.match(await runHere(['restored'], { DEPOT_DATA }), {
    code: 5,
    stdout: '',
    stderr: /^hart-depot: there is no depot in .*\n$/,
  })
  t.match(await runHere(['restored', '--list', '--discard', 'all'], { DEPOT_DATA }), {
    code: 2,
    stderr: /--list, --adopt and --discard cannot be combined; see hart-depot restored --help/,
  })
})
