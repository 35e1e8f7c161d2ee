import { Readable } from 'node:stream'
import tap, { test } from 'tap'
import { UNRESTRICTED_AUDIENCE } from '../../../src/access/access.ts'
import { verifyBlobs } from '../../../src/audit/verify-blobs.ts'
import { verifyDepot } from '../../../src/audit/verify.ts'
import { readStored } from '../../../src/blobs/blob-store.ts'
import { readContent } from '../../../src/lockfiles/lockfile-store.ts'
import { formatIdent } from '../../../src/package/ident.ts'
import { findRelease, listViewsOf } from '../../../src/releases/release-store.ts'
import { getView } from '../../../src/revisions/view-store.ts'
import { publish } from '../../../src/publishing/publish.ts'
import { findQuotas } from '../../../src/origins/quota-store.ts'
import { buildHart } from '../../support/build-hart.ts'
import type { BuiltHart } from '../../support/build-hart.ts'
import { makeOrigin } from '../../support/origin.ts'
import { announce, makeReleases, move } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'
import { traces } from '../../support/traces.ts'

// Releases that the depot knows by the word of upstream alone.

const actor = { client: 'tests', door: 'cli' } as const
const target = 'x86_64-linux' as const
const UPSTREAM = 'https://bldr.example'

const started = await startDepot(tap)
const { depot } = started
const { db, writer, blobs } = depot
await makeOrigin(started, 'core')
await writer.submit({ kind: 'adoptOrigin', input: { origin: 'core', upstream: UPSTREAM }, actor })
await makeOrigin(started)
const glibc = buildHart({ ident: 'core/glibc/2.35/20260101000000' })
const redis = buildHart({
  ident: 'core/redis/7.0.0/20260101000000',
  tdeps: [formatIdent(glibc.ident)],
  deps: [formatIdent(glibc.ident)],
})
const word = (hart: { ident: Parameters<typeof formatIdent>[0]; checksum: string }) => ({
  ident: formatIdent(hart.ident),
  checksum: hart.checksum,
})
const refresh = async (idents: readonly string[]) => {
  const joining = idents.map((ident) => ({ ident, target }))
  const input = { origin: 'core', channel: 'stable', joining, leaving: [], reason: 'a refresh' }
  return writer.submit({ kind: 'refreshChannel', input, actor })
}
const find = (ident: string) => findRelease(db, ident, target, UNRESTRICTED_AUDIENCE)
/** Publishes the bytes of a release as if they were fetched from upstream. */
const store = (hart: BuiltHart) =>
  publish(depot, {
    ident: hart.ident,
    target,
    clientTarget: target,
    announcedBytes: hart.bytes.length,
    checksum: hart.checksum,
    isForced: false,
    upstream: { url: UPSTREAM, findKey: async () => undefined, onWritten: () => undefined },
    open: async () => Readable.from([Buffer.from(hart.bytes)]),
    publisher: { accountId: 1 },
    actor,
  })
const setQuota = (bytes: number | null) =>
  writer.submit({ kind: 'setQuota', input: { origin: 'core', bytes }, actor })
/** Verifies the rows and the ledger. */
const verify = async () => {
  const snapshot = await depot.engine.openSnapshot()
  try {
    return await verifyDepot(snapshot.reader)
  } finally {
    await snapshot.close()
  }
}
/** Reads the contents of a lockfile. */
const lock = async (name: string) => {
  const view = await getView(db, name)
  const request = { view, revision: view.revision, filter: {}, skipsDeleted: false }
  return readContent(db, request, UNRESTRICTED_AUDIENCE)
}

test('an announced release is found, needs no bytes and joins a channel, but not unstable', async (t) => {
  const before = await readStored(db)
  t.strictSame(
    await announce(started, 'core', word(glibc), { ...word(redis), tdeps: [formatIdent(glibc.ident)] }),
    [],
  )
  t.strictSame(await readStored(db), before)
  const idents = [glibc, redis].map(({ ident }) => formatIdent(ident))
  const first = await refresh(idents)
  t.match(first, { isChanged: true })
  t.match(await refresh(idents), { revision: first.revision, isChanged: false })
  const found = await find(idents[0] ?? '')
  t.match(found, { isAnnounced: true, checksum: glibc.checksum, signer: '', visibility: 'public' })
  t.strictSame(
    (await listViewsOf(db, found?.id ?? 0)).map(({ name }) => name),
    ['stable'],
  )
  t.match(await verify(), { findings: [] })
  t.match(await verifyBlobs(db, blobs.storage, undefined), { blobs: 0, orphanCount: 0 })
})

test('an announcement changes nothing that the depot has, and other bytes are refused', async (t) => {
  t.strictSame(await announce(started, 'core', word(glibc)), [])
  t.match(await announce(started, 'core', { ...word(glibc), checksum: '0'.repeat(64) }), [
    { ident: formatIdent(glibc.ident), why: /checksum/ },
  ])
})

test('an announced release never satisfies closure, neither as a dependency nor itself', async (t) => {
  const [app] = await makeReleases(started, {
    name: 'acme/app/1.0.0/20260101000000',
    deps: [formatIdent(glibc.ident)],
  })
  for (const closure of ['depot', 'view'] as const) {
    await writer.submit({ kind: 'setGates', input: { view: 'union', gates: { closure } }, actor })
    await t.rejects(move(started, 'promote', 'union', app === undefined ? [] : [app]), {
      code: 'refused',
      parts: [{ rule: 'closure', chain: ['acme/app/1.0.0/20260101000000', formatIdent(glibc.ident)] }],
    })
    await t.rejects(move(started, 'promote', 'union', [{ ident: formatIdent(glibc.ident), target }]), {
      code: 'refused',
      parts: [{ rule: 'closure', chain: [formatIdent(glibc.ident)] }],
    })
  }
})

test('a lockfile names no announced release', async (t) => {
  await makeReleases(started, { name: 'acme/web/1.0.0/20260101000000', deps: [formatIdent(glibc.ident)] })
  await move(started, 'promote', 'delivered', [{ ident: 'acme/web/1.0.0/20260101000000', target }])
  t.match(await lock('delivered'), { absent: 1, releases: [{ ident: /^acme\/web/ }] })
  await t.rejects(lock('stable'), { code: 'conflict', message: /core\/glibc/ })
})

test('an announced release takes nothing until its bytes arrive, which a quota may refuse', async (t) => {
  await setQuota(redis.bytes.length - 1)
  t.match(await findQuotas(db, 'core'), [{ origin: 'core', usedBytes: 0 }])
  const before = await traces(depot)
  await t.rejects(store(redis), { code: 'quota_exceeded' })
  t.same(await traces(depot), before)
  await setQuota(null)
})

test('the bytes replace the word of upstream, and the release stays where it is', async (t) => {
  const ident = formatIdent(redis.ident)
  const other = buildHart({ ident, manifest: 'other bytes' })
  await t.rejects(store(other), { code: 'release_differs' })
  t.match(await find(ident), { isAnnounced: true })
  t.match(await store(redis), { isNew: true })
  const found = await find(ident)
  t.match(found, { isAnnounced: false, isVerified: true, sizeBytes: redis.bytes.length })
  t.match(found?.signer, /^core-/)
  t.strictSame((await listViewsOf(db, found?.id ?? 0)).map(({ name }) => name).toSorted(), [
    'stable',
    'unstable',
  ])
  await t.rejects(store(redis), { code: 'already_exists' }, 'afterwards it is like any other release')
  t.match(await verify(), { findings: [] })
})

test('a fetch that ends after its origin was disowned is refused', async (t) => {
  await writer.submit({ kind: 'disownOrigin', input: { origin: 'core' }, actor })
  const before = await traces(depot)
  await t.rejects(store(buildHart({ ident: 'core/redis/8.0.0/20260101000000' })), { code: 'refused' })
  await t.rejects(store(glibc), { code: 'refused' }, 'also one that was announced')
  t.same(await traces(depot), before)
})
