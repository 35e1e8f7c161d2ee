import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import type { Test } from 'tap'
import { verifyBlobs } from '../../src/audit/verify-blobs.ts'
import { verifyDepot } from '../../src/audit/verify.ts'
import { FilesystemStorage } from '../../src/blobs/filesystem.ts'
import { HashThreads } from '../../src/hart/hash-threads.ts'
import { callApi } from '../support/call-api.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// A data folder that an earlier version wrote is opened by this one. Each migration upgrades it here.

interface Fixture {
  /** Contents in base64, by path below the data folder. */
  readonly files: Readonly<Record<string, string>>
  /** Keyed by `VIEW REVISION`: each `latest`, and the revision since which it is. */
  readonly latest: Readonly<Record<string, readonly string[]>>
  /** A plan of `acceptance`, which the preview `next` shows, and a proposal of ada for `gated`. */
  readonly draft: string
  readonly proposal: string
}

const APP = 'acme/app/1.2.0/20260101000000'
const LIB = 'acme/lib/2.0.0/20260101000000'
const release = (ident: string) => ({ ident, target: 'x86_64-linux' })

async function readFixture(): Promise<Fixture> {
  const packed = await readFile(new URL('../fixtures/databases/schema-14.json.gz', import.meta.url))
  return JSON.parse(gunzipSync(packed).toString()) as Fixture
}

async function upgrade(t: Test, change = ''): Promise<TestDepot & Fixture> {
  const fixture = await readFixture()
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-upgrade-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [path, content] of Object.entries(fixture.files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), Buffer.from(content, 'base64'), { mode: 0o600 })
  }
  const connection = new BetterSqlite3(join(folder, 'depot.sqlite'))
  connection.exec(change)
  connection.close()
  return { ...fixture, ...(await startDepot(t, { folder })) }
}

async function verify({ depot, folder }: TestDepot) {
  const snapshot = await depot.engine.openSnapshot()
  const hashes = new HashThreads()
  try {
    const { findings } = await verifyDepot(snapshot.reader)
    const { damaged, orphans } = await verifyBlobs(
      snapshot.reader,
      new FilesystemStorage(join(folder, 'blobs')),
      hashes,
    )
    return { findings, damaged, orphans }
  } finally {
    await hashes.close()
    await snapshot.close()
  }
}

async function latestOf(started: TestDepot, view: string, revision: string): Promise<string[]> {
  const { body } = await callApi(started, 'GET', `/api/v1/views/${view}/content?at=${revision}`)
  const { pointers } = body as unknown as { pointers: { ident: string; since_revision: number }[] }
  return pointers.map((pointer) => `${pointer.ident} ${pointer.since_revision}`)
}

test('a database of schema 14 has the same answers for each revision, and verifies', async (t) => {
  const started = await upgrade(t)
  for (const [place, expected] of Object.entries(started.latest)) {
    const [view = '', revision = ''] = place.split(' ')
    t.strictSame(await latestOf(started, view, revision), expected, place)
  }
  t.strictSame(await verify(started), { findings: [], damaged: [], orphans: [] })
})

test('views of a database of schema 14 keep their rules', async (t) => {
  const started = await upgrade(t)
  const promote = (view: string, ident: string) =>
    callApi(started, 'POST', `/api/v1/views/${view}/promotions`, { body: { releases: [release(ident)] } })
  t.match(await promote('frozen', LIB), { status: 409, body: { errors: [{ detail: /by admin: holidays/ }] } })
  t.match(await promote('union', 'acme/secret/0.9.0/20260101000000'), {
    status: 409,
    body: { errors: [{ detail: /is not in acceptance/ }] },
  })
  t.match(await promote('gated', APP), { status: 409, body: { errors: [{ detail: /propose the change/ }] } })
  t.match(await callApi(started, 'DELETE', '/api/v1/views/frozen/freeze'), { status: 200 })
  t.match(await promote('frozen', LIB), { status: 200, body: { revision: 4 } })
  t.match(await callApi(started, 'POST', '/api/v1/views/frozen/rollbacks', { body: { to: 2 } }), {
    status: 200,
    body: { revision: 5, pointers: { length: 2 } },
  })
  t.match(await callApi(started, 'PUT', '/api/v1/views/frozen', { body: { rule: 'highest' } }), {
    status: 200,
  })
  t.match(
    await callApi(started, 'PUT', '/api/v1/views/union/freeze', { body: { reason: 'stop', origin: 'acme' } }),
    { status: 200 },
  )
  t.match(await verify(started), { findings: [], damaged: [] })
})

test('plans, proposals and previews of a database of schema 14 can be completed', async (t) => {
  const started = await upgrade(t)
  t.match(await callApi(started, 'POST', `/api/v1/plans/${started.draft}/apply`, { body: {} }), {
    status: 200,
    body: { revision: 5, pointers: [{ package: 'acme/app', to: APP }] },
  })
  t.strictSame(await latestOf(started, 'next', '1'), started.latest['next 1'])
  t.match(await callApi(started, 'POST', `/api/v1/plans/${started.proposal}/approve`, { body: {} }), {
    status: 200,
    body: { revision: 3, pointers: [{ package: 'acme/app', to: APP }] },
  })
  t.match(await verify(started), { findings: [], damaged: [] })
})

test('packages of a database of schema 14 are found by the words of their names', async (t) => {
  const { app } = await upgrade(t)
  const found = async (words: string) => {
    const { data } = (await app.inject(`/v1/depot/pkgs/search/${words}?distinct=true`)).json<{
      data: { origin: string; name: string }[]
    }>()
    return data.map(({ origin, name }) => `${origin}/${name}`)
  }
  t.strictSame(await found('too'), ['core/tool'])
  t.strictSame(await found('acme%20l'), ['acme/lib'])
  t.strictSame(await found('ool'), [])
})

test('dependencies of releases in a database of schema 14 are found', async (t) => {
  const started = await upgrade(
    t,
    `UPDATE releases SET tdeps = '["${LIB}","core/glibc/2.27/20250101000000"]' WHERE ident = '${APP}';
     UPDATE releases SET tdeps = '["${APP}"]' WHERE deleted_at IS NOT NULL`,
  )
  const rdeps = async (name: string) =>
    (await started.app.inject(`/v1/rdeps/${name}`)).json<{ rdeps: string[] }>().rdeps
  t.strictSame(await rdeps('acme/lib'), ['acme/app'])
  t.strictSame(await rdeps('core/glibc'), ['acme/app'])
  t.strictSame(await rdeps('acme/app'), [], 'deleted releases need nothing')

  const members = { body: { releases: [release(APP), release(LIB)] } }
  t.match(await callApi(started, 'POST', '/api/v1/views/rehearsal/promotions', members), { status: 200 })
  const closure = { body: { closure: 'view' } }
  t.match(await callApi(started, 'PUT', '/api/v1/views/rehearsal/gates', closure), { status: 200 })
  const demotion = { body: { releases: [release(LIB)] } }
  t.match(await callApi(started, 'POST', '/api/v1/views/rehearsal/demotions', demotion), {
    status: 409,
    body: { errors: [{ detail: `${APP}, which is in rehearsal, needs ${LIB}` }] },
  })
})

test('tokens, webhooks and idempotency keys of a database of schema 14 remain valid', async (t) => {
  const started = await upgrade(t)
  t.match(await callApi(started, 'GET', '/api/v1/whoami', { token: 'token-of-ada-for-the-tests-only' }), {
    body: { account: 'ada' },
  })
  t.match(await callApi(started, 'GET', '/api/v1/webhooks/ci'), { body: { name: 'ci', state: 'paused' } })
  const again = await callApi(started, 'POST', '/api/v1/views/rehearsal/promotions', {
    body: { releases: [release('acme/app/1.0.0/20260101000000')], reason: 'again' },
    headers: { 'idempotency-key': 'fixture-1' },
  })
  t.match(again, { status: 200, body: { revision: 1, changed: true } })
})
