import { mkdir, readFile, rm, stat, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import tap, { test } from 'tap'
import { countDamaged, findBlob, readScrub } from '../../src/blobs/blob-store.ts'
import { BlobUnreadable } from '../../src/blobs/storage.ts'
import { formatIdent, parseIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bearer, upload } from '../support/origin.ts'
import { START, startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'
import { FAST, start, download, flipByte, scrubOf } from '../support/storage/scrub.ts'

/** The problem document (RFC 9457) of a refused download. */
const problem = async ({ url }: TestDepot, ident: string): Promise<unknown> =>
  JSON.parse(
    (
      await ask(`${url}/v1/depot/pkgs/${ident}/download`, {
        headers: { accept: 'application/problem+json' },
      })
    ).text,
  )

/** Kinds of damage to the file of a package: the depot's name for it, and whether the size alone shows it. */
const DAMAGES: Readonly<
  Record<string, { damage: string; isSeen: boolean; harm: (path: string) => Promise<unknown> }>
> = {
  'another byte': { damage: 'of other bytes', isSeen: false, harm: flipByte },
  'cut off': { damage: 'of another size', isSeen: true, harm: (path) => truncate(path, 200) },
  longer: { damage: 'of another size', isSeen: true, harm: (path) => writeFile(path, 'x', { flag: 'a' }) },
  removed: { damage: 'missing', isSeen: true, harm: unlink },
  'a link to itself, which the system refuses to open': {
    damage: 'unreadable',
    isSeen: true,
    harm: async (path) => {
      await unlink(path)
      await symlink(path, path)
    },
  },
}

/** The depot of tests that repair all damage. */
const shared = await start(tap)

for (const [what, { damage, isSeen, harm }] of Object.entries(DAMAGES)) {
  test(`a package whose file is ${what} is found, not served, and repaired by the same upload`, async (t) => {
    const { started, harts, pathOf } = shared
    const [hart, other] = harts as [BuiltHart, BuiltHart]
    started.logged.length = 0
    await harm(pathOf(hart))
    const early = await download(started, hart)
    t.equal(early.status, isSeen ? 503 : 200, 'the size is checked before the file is served')
    await scrubOf(started).pass()
    t.match(await findBlob(started.depot.db, hart.checksum), { damage })
    t.equal(await countDamaged(started.depot.db), 1)
    for (const method of ['GET', 'HEAD']) t.equal((await download(started, hart, method)).status, 503, method)
    const code = damage === 'unreadable' ? 'blob_unreadable' : 'blob_damaged'
    t.match(await problem(started, formatIdent(hart.ident)), { status: 503, code })
    t.ok(started.logged.some((line) => line['level'] === 'error' && line['damage'] === damage))
    t.equal((await download(started, other)).status, 200)
    t.match(await (await fetch(`${started.url}/readyz`)).json(), {
      ready: true,
      reasons: [/^one package is damaged on the disk and not served/],
    })
    t.match(await (await fetch(`${started.url}/metrics`)).text(), /^hart_depot_damaged_blobs 1$/m)

    t.equal((await upload(started, other)).status, 409)
    t.equal((await upload(started, hart)).status, 201, 'no 409 for a damaged package')
    t.equal((await download(started, hart)).body.compare(hart.bytes), 0)
    t.equal((await upload(started, hart)).status, 409)
    t.equal(await countDamaged(started.depot.db), 0)
    await scrubOf(started).pass()
    t.equal(await countDamaged(started.depot.db), 0)
  })
}

test('unnoticed damage is repaired by a forced upload, and a missing file by any upload', async (t) => {
  const { started, harts, pathOf } = shared
  const [hart, gone] = harts as [BuiltHart, BuiltHart]
  await flipByte(pathOf(hart))
  t.equal((await upload(started, hart, { query: { forced: 'true' } })).status, 201)
  t.equal((await readFile(pathOf(hart))).compare(hart.bytes), 0)
  await unlink(pathOf(gone))
  t.equal((await upload(started, gone)).status, 201)
  t.equal((await download(started, gone)).body.compare(gone.bytes), 0)
  t.equal(await countDamaged(started.depot.db), 0)
})

for (const [what, { isSeen, harm }] of Object.entries(DAMAGES)) {
  if (!isSeen) continue
  test(`unnoticed, a file that is ${what} is repaired by an upload that names no target`, async (t) => {
    const { started, harts, pathOf } = shared
    const [hart, other] = harts as [BuiltHart, BuiltHart]
    const uploadPlainly = ({ ident, checksum, bytes }: BuiltHart) =>
      ask(`${started.url}/v1/depot/pkgs/${formatIdent(ident)}?checksum=${checksum}`, {
        method: 'POST',
        headers: bearer(),
        body: bytes,
      })
    await harm(pathOf(hart))
    t.equal((await uploadPlainly(hart)).status, 201)
    t.equal((await download(started, hart)).body.compare(hart.bytes), 0)
    t.equal(await countDamaged(started.depot.db), 0)
    for (const whole of [hart, other]) t.equal((await uploadPlainly(whole)).status, 409)
  })
}

test('a package whose file cannot be read is unreadable, not missing', async (t) => {
  const { started, harts, pathOf } = await start(t)
  const [hart] = harts as [BuiltHart]
  // A file where the folder should be: ENOTDIR.
  await rm(dirname(pathOf(hart)), { recursive: true })
  await writeFile(dirname(pathOf(hart)), '')
  t.match(await problem(started, formatIdent(hart.ident)), { status: 503, code: 'blob_unreadable' })
  t.match(
    started.logged.find((line) => line['checksum'] === hart.checksum),
    { level: 'error', damage: 'unreadable', reason: 'ENOTDIR' },
  )
  t.equal(await started.depot.examine(hart.checksum), 'unreadable')
  await rm(dirname(pathOf(hart)))
  t.equal(await started.depot.examine(hart.checksum), 'missing')
  t.match(await problem(started, formatIdent(hart.ident)), { status: 503, code: 'blob_damaged' })
})

test('a folder of the right size in the place of a file opens, and is unreadable', async (t) => {
  const { started, harts, pathOf } = await start(t)
  const [hart] = harts as [BuiltHart]
  const path = pathOf(hart)
  await unlink(path)
  await mkdir(path)
  await started.depot.upkeep?.scrub.examine(hart.checksum)
  t.match(await findBlob(started.depot.db, hart.checksum), { damage: /^of another size|unreadable$/ })
  const { size } = await stat(path)
  const row = { ident: 'acme/odd/1.0.0/20260101120000', checksum: 'ab'.repeat(32), sizeBytes: size }
  const texts = { manifest: '', config: '', exposes: [], deps: [], tdeps: [], buildDeps: [], buildTdeps: [] }
  const metadata = {
    ...texts,
    target: 'x86_64-linux',
    packageType: 'standard',
    svcUser: undefined,
    svcGroup: undefined,
  } as const
  await started.depot.writer.submit({
    kind: 'publishRelease',
    input: {
      ...row,
      ident: parseIdent(row.ident),
      metadata,
      signer: 'acme-20260101000000',
      isVerified: true,
      publisherId: 1,
      isForced: false,
    },
    actor: { client: 'tests', door: 'cli' },
  })
  await mkdir(started.depot.blobs.storage.placeOf(row.checksum), { recursive: true })
  t.match(await problem(started, row.ident), { status: 503, code: 'blob_unreadable' }, 'reading it fails')
  t.equal(await scrubOf(started).examine(row.checksum), 'unreadable')
  t.match(await problem(started, row.ident), { status: 503, code: 'blob_unreadable' })
})

test('a pass continues after a restart where it was aborted, and records its end', async (t) => {
  const { started, harts } = await start(t, { environment: { DEPOT_SCRUB_RATE: '256KiB' } })
  const [first, ...others] = harts.toSorted((a, b) => (a.checksum < b.checksum ? -1 : 1))
  const scrub = scrubOf(started)
  const abort = new AbortController()
  const pass = scrub.pass(abort.signal)
  await until('the first file is read', () => scrub.scrubbedBytes > Number(first?.bytes.length))
  abort.abort() // the second file is not read completely
  await t.rejects(pass, { name: 'AbortError' })
  t.match(await readScrub(started.depot.db), { scrubbedTo: first?.checksum, endedAt: null })
  await started.close()

  const again = await startDepot(t, { folder: started.folder, environment: FAST })
  await scrubOf(again).pass()
  const left = others.reduce((sum, { bytes }) => sum + bytes.length, 0)
  t.equal(scrubOf(again).scrubbedBytes, left)
  const { scrubbedTo, endedAt } = await readScrub(again.depot.db)
  t.equal(scrubbedTo, '')
  t.type(endedAt, 'number')
  t.match(
    (await again.app.inject('/metrics')).body,
    new RegExp(`^hart_depot_scrub_last_pass_timestamp_seconds ${Number(endedAt) / 1_000}$`, 'm'),
  )
  t.match(
    (await again.app.inject('/metrics')).body,
    new RegExp(`^hart_depot_scrubbed_bytes_total ${left}$`, 'm'),
  )
  await scrubOf(again).pass()
  t.equal(
    scrubOf(again).scrubbedBytes,
    left + harts.reduce((sum, { bytes }) => sum + bytes.length, 0),
    'the next pass reads everything',
  )
})

test('a package that can never be examined is left out after three attempts, and all others are read', async (t) => {
  const { started, harts } = await start(t)
  const [first, ...others] = harts.toSorted((a, b) => (a.checksum < b.checksum ? -1 : 1))
  const { storage } = started.depot.blobs
  const open = storage.open.bind(storage)
  storage.open = async (blob, range) => {
    if (blob.checksum === first?.checksum)
      throw new BlobUnreadable(blob.checksum, { damage: undefined, reason: 'EMFILE' })
    return open(blob, range)
  }
  const scrub = scrubOf(started)
  await t.rejects(scrub.pass(), { code: 'BLOB_UNREADABLE' })
  await t.rejects(scrub.pass(), { code: 'BLOB_UNREADABLE' })
  t.equal(scrub.scrubbedBytes, 0)
  await scrub.pass()
  t.equal(
    scrub.scrubbedBytes,
    others.reduce((sum, { bytes }) => sum + bytes.length, 0),
  )
  t.match(started.logged.at(-2), { checksum: first?.checksum, msg: /could not be examined/ })
  t.equal(await countDamaged(started.depot.db), 0, 'nothing is known of the package')
  await t.rejects(scrub.pass(), { code: 'BLOB_UNREADABLE' }, 'the next pass tries again')
})

test('a file that was put back is served again after a check, and a replaced file is not reported', async (t) => {
  const { started, harts, pathOf } = shared
  const [hart, raced] = harts as [BuiltHart, BuiltHart]
  await flipByte(pathOf(hart))
  t.equal(await started.depot.examine(hart.checksum), 'of other bytes')
  await writeFile(pathOf(hart), hart.bytes)
  t.equal(await started.depot.examine(hart.checksum), undefined)
  t.equal((await download(started, hart)).status, 200)
  await flipByte(pathOf(raced))
  await Promise.all([
    started.depot.examine(raced.checksum),
    upload(started, raced, { query: { forced: 'true' } }),
  ])
  t.equal(await started.depot.examine(raced.checksum), undefined)
  t.equal(await countDamaged(started.depot.db), 0)
  t.equal((await download(started, raced)).status, 200)
})

test('the scrub reads all packages soon after the start and again a week later, and first those that were damaged', async (t) => {
  const { started, harts, pathOf } = await start(t)
  const [hart] = harts as [BuiltHart]
  const total = harts.reduce((sum, { bytes }) => sum + bytes.length, 0)
  await flipByte(pathOf(hart))
  started.depot.upkeep?.start(0)
  await until('the pass has ended', async () => (await readScrub(started.depot.db)).endedAt !== null)
  t.equal(scrubOf(started).scrubbedBytes, total)
  t.equal(await countDamaged(started.depot.db), 1)
  await started.close()

  await writeFile(pathOf(hart), hart.bytes)
  const sameDay = await startDepot(t, { folder: started.folder, environment: FAST })
  sameDay.depot.upkeep?.start(0)
  await until('the mended file is sound', async () => (await countDamaged(sameDay.depot.db)) === 0)
  await sameDay.close()
  t.equal(scrubOf(sameDay).scrubbedBytes, hart.bytes.length, 'the next pass is not due')

  const nextWeek = await startDepot(t, { folder: started.folder, environment: FAST })
  nextWeek.setClock(START + 8 * 24 * 60 * 60 * 1_000)
  nextWeek.depot.upkeep?.start(0)
  await until('everything is read', async () => scrubOf(nextWeek).scrubbedBytes === total)
  t.equal(await countDamaged(nextWeek.depot.db), 0)
})
