import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { test } from 'tap'
import { listUnneeded, readStored } from '../../src/blobs/blob-store.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { bearer, makeOrigin, publishAll, upload } from '../support/origin.ts'
import { runsOf } from '../support/random.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

const AT_ONCE = { orphanGraceMs: 0, spoolGraceMs: 0 }
const ACTOR = { client: 'tests', door: 'cli' } as const
const CHECKSUM = 'ab'.repeat(32)

async function blobsOf({ depot }: TestDepot): Promise<string[]> {
  const entries = await readdir(depot.config.blobFolder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .toSorted()
}

async function leaveOrphan({ depot }: TestDepot, checksum = CHECKSUM): Promise<string> {
  const path = depot.blobs.storage.placeOf(checksum)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'left by a crash')
  return path
}

const walk = ({ depot }: TestDepot) =>
  depot.upkeep?.collector.walk() ?? Promise.reject(new Error('nothing collects here'))

test('unneeded files are removed after the grace period: without a row, of a deleted release, of an aborted upload', async (t) => {
  const started = await startDepot(t, { listen: true, limits: AT_ONCE })
  await makeOrigin(started)
  const [kept, deleted] = await publishAll(
    started,
    'acme/app/1.0.0/20260101120000',
    'acme/app/2.0.0/20260101120000',
  )
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: 'acme/app/2.0.0/20260101120000', target: 'x86_64-linux' },
    actor: ACTOR,
  }) // killed before its bytes were deleted
  await leaveOrphan(started)
  const spooled = started.depot.blobs.spool.newFile()
  await (await spooled.create()).close()
  const strange = join(started.depot.config.blobFolder, 'ab', 'what-is-this')
  await writeFile(strange, '')
  t.match(await listUnneeded(started.depot.db, { after: undefined, limit: 9 }), [
    { checksum: deleted?.checksum, since: Number },
  ])
  await walk(started)
  t.strictSame(
    await blobsOf(started),
    [String(kept?.checksum), basename(strange)].toSorted((a, b) => (a < b ? -1 : 1)),
    'a foreign file stays',
  )
  t.strictSame(
    await listUnneeded(started.depot.db, { after: undefined, limit: 9 }),
    [],
    'the row is not listed again',
  )
  t.same(await readStored(started.depot.db), { blobs: 1, bytes: kept?.bytes.length })
  t.match((await started.app.inject('/metrics')).body, /^hart_depot_collected_files_total 2$/m)
  t.equal((await upload(started, deleted ?? buildHart())).status, 201)
  await walk(started)
  t.equal((await ask(`${started.url}/v1/depot/pkgs/acme/app/2.0.0/20260101120000/download`)).status, 200)
  t.same(await readStored(started.depot.db), {
    blobs: 2,
    bytes: Number(kept?.bytes.length) + Number(deleted?.bytes.length),
  })
})

test('nothing is removed within the grace period, whatever the times of the files, and a warning is logged', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  await started.depot.writer.submit({
    kind: 'deleteRelease',
    input: { ident: 'acme/app/1.0.0/20260101120000', target: 'x86_64-linux' },
    actor: ACTOR,
  })
  const spooled = started.depot.blobs.spool.newFile()
  await (await spooled.create()).close()
  const orphan = await leaveOrphan(started)
  for (const path of [orphan, spooled.path]) await utimes(path, 0, 0)
  const before = await blobsOf(started)
  for (let walks = 0; walks < 2; walks += 1) await walk(started)
  t.strictSame(await blobsOf(started), before)
  t.match(started.logged.at(-1), { level: 'warn', files: 3, msg: /^unneeded files were found/ })
})

test('nothing is removed if so much is unneeded that the packages are probably of another depot', async (t) => {
  const started = await startDepot(t, { listen: true, limits: AT_ONCE })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const orphans = await Promise.all(
    Array.from({ length: 101 }, (_, index) =>
      leaveOrphan(started, createHash('sha256').update(`${index}`).digest('hex')),
    ),
  )
  await walk(started)
  t.equal((await blobsOf(started)).length, 102)
  t.match(started.logged.at(-1), { level: 'error', files: 101, of: 102, msg: /^none of the files/ })
  await rm(orphans[0] ?? '')
  await walk(started)
  t.equal((await blobsOf(started)).length, 1, 'a crash leaves fewer')
})

test('nothing is removed until the operator of a restored depot has settled the orphans, not even the bytes of deleted releases', async (t) => {
  const started = await startDepot(t, { listen: true, limits: AT_ONCE })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101120000')
  await leaveOrphan(started)
  const before = await blobsOf(started)
  await started.depot.writer.submit({
    kind: 'recordRestore',
    input: { incarnation: '0123456789abcdef' },
    actor: ACTOR,
  })
  await ask(`${started.url}/v1/depot/pkgs/acme/app/1.0.0/20260101120000`, {
    method: 'DELETE',
    headers: bearer(),
  })
  await walk(started)
  t.strictSame(await blobsOf(started), before)
  await started.depot.writer.submit({ kind: 'resumeCollection', input: {}, actor: ACTOR })
  await walk(started)
  t.strictSame(await blobsOf(started), [])
})

const ROUNDS = runsOf(3)

test('uploads and deletions of the same bytes lose nothing while the collector runs', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true, limits: { orphanGraceMs: 0 } })
  await makeOrigin(started)
  const harts = Array.from({ length: 4 }, (_, n) => buildHart({ ident: `acme/app/${n}.0.0/20260101120000` }))
  const over = new AbortController()
  const collecting = (async () => {
    while (!over.signal.aborted) await walk(started)
  })()
  await Promise.all(
    harts.map(async (hart) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        await leaveOrphan(started, hart.checksum).catch(() => undefined)
        const answers = await Promise.all([upload(started, hart), upload(started, hart)])
        t.strictSame(
          answers.map(({ status }) => status).toSorted((a, b) => a - b),
          [201, 409],
        )
        const download = await ask(`${started.url}/v1/depot/pkgs/${formatIdent(hart.ident)}/download`)
        t.ok(download.status === 200 && download.body.compare(hart.bytes) === 0)
        if (round < ROUNDS - 1)
          t.equal(
            (
              await ask(`${started.url}/v1/depot/pkgs/${formatIdent(hart.ident)}`, {
                method: 'DELETE',
                headers: bearer(),
              })
            ).status,
            204,
          )
      }
    }),
  )
  over.abort()
  await collecting
  await walk(started)
  t.strictSame(await blobsOf(started), harts.map(({ checksum }) => checksum).toSorted())
  t.equal((await readStored(started.depot.db)).blobs, harts.length)
})
