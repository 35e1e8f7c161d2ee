import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ArchiveScanner } from '../../src/hart/scan.ts'
import { READ_STEP_BYTES } from '../../src/hart/tar.ts'
import { Turns } from '../../src/hart/turns.ts'
import { buildTar, buildXz } from '../support/build-hart.ts'
import {
  MIB,
  FOLDER,
  ZEROS,
  ANYONE,
  followedByZeros,
  savePayload,
  payloadOf,
  withoutEnd,
} from '../support/archives.ts'

const LAST_MEMBER = { path: `${FOLDER}bin/app`, content: '#!/bin/sh\n' }

test('many archives can be read at once', async (t) => {
  const scanner = new ArchiveScanner()
  t.teardown(() => scanner.close())
  const folder = t.testdir()
  const scans = Array.from({ length: 20 }, (_, i) => {
    const path = join(folder, `${i}.xz`)
    writeFileSync(path, payloadOf({ ident: `acme/app/1.0.${i}/20260101120000` }))
    return scanner.scan(path, 0, ANYONE)
  })
  t.strictSame(
    (await Promise.all(scans)).map(({ ident }) => ident.version),
    Array.from({ length: 20 }, (_, i) => `1.0.${i}`),
  )
})

test('a short archive in memory is read as in a thread, and a long one is left to the threads', async (t) => {
  const scanner = new ArchiveScanner()
  t.teardown(() => scanner.close())
  const short = payloadOf({ deps: ['core/a/1/2'], config: 'a = 1' })
  t.strictSame(await scanner.scanShort(short), await scanner.scan(savePayload(t.testdir(), short), 0, ANYONE))
  t.equal(await scanner.scanShort(buildXz(Buffer.alloc(65 * 1024))), undefined, 'it unpacks to too much')
  t.equal(await scanner.scanShort(randomBytes(17 * 1024)), undefined, 'it is too long')
  await t.rejects(scanner.scanShort(short.subarray(0, -5)), { code: 'hart_malformed', message: /cut off/ })
  const bad = buildXz(withoutEnd(buildTar([{ path: `${FOLDER}x`, content: 'x' }])))
  await t.rejects(scanner.scanShort(bad), { code: 'hart_malformed', message: /its archive is cut off/ })
})

test('nothing after the last of the metadata is unpacked', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  const all = {
    deps: ['core/a/1/2'],
    tdeps: ['core/a/1/2'],
    buildDeps: ['core/a/1/2'],
    buildTdeps: ['core/a/1/2'],
    exposes: [80],
    config: 'a = 1',
    svcUser: 'hab',
    svcGroup: 'hab',
  }
  const rubbish = [
    { path: `${FOLDER}large`, content: 'x'.repeat(READ_STEP_BYTES) },
    { path: `${FOLDER}rubbish`, typeFlag: '?', content: 'x'.repeat(MIB) },
  ]
  const payload = payloadOf({ ...all, packageType: 'standard', entries: rubbish })
  t.equal((await scanner.scan(savePayload(t.testdir(), payload), 0, ANYONE)).svcGroup, 'hab')
  // Without one of the metafiles, the scan of the same archive continues to the forbidden entry.
  const { svcGroup: _, ...less } = all
  const longer = payloadOf({ ...less, entries: rubbish })
  await t.rejects(scanner.scan(savePayload(t.testdir(), longer), 0, ANYONE), {
    code: 'hart_malformed',
    message: /unknown type/,
  })
})

const hostile: [string, () => Buffer, RegExp][] = [
  [
    'a bomb: 320 MiB in 50 KB',
    () => followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}blob`, declaredBytes: 320 * MIB }])), 5),
    /archive of 49\d+ bytes unpacks to more than 28\d{7}$/,
  ],
  [
    'a bomb of 7 GiB',
    () =>
      followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}blob`, declaredBytes: 7 * 1024 * MIB }])), 112),
    /unpacks to more than/,
  ],
  [
    'a MANIFEST of 2 GiB',
    () =>
      followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}MANIFEST`, declaredBytes: 2048 * MIB }])), 2),
    /metafile MANIFEST is malformed: it has 2147483648 bytes/,
  ],
  [
    'a long name of 2 GiB',
    () => followedByZeros(withoutEnd(buildTar([{ path: 'L', typeFlag: 'L', declaredBytes: 2048 * MIB }])), 2),
    /2147483648 bytes long/,
  ],
  [
    'a file that never ends',
    () => followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}x`, declaredBytes: 2 ** 40 }])), 1),
    /its archive is cut off/,
  ],
  ['nothing but zeros', () => ZEROS, /metafile IDENT .* not in the archive/],
  ['an archive of nothing', () => buildXz(), /its archive is cut off/],
  [
    'an entry that leaves the package',
    () => payloadOf({ entries: [{ path: `${FOLDER}../x` }] }),
    /has the forbidden part ".."/,
  ],
  ['an absolute path', () => payloadOf({ entries: [{ path: '/etc/passwd' }] }), /outside of the folder/],
  ['a device', () => payloadOf({ entries: [{ path: `${FOLDER}null`, typeFlag: '3' }] }), /is a device/],
  [
    'a MANIFEST that is a link',
    () =>
      payloadOf({
        metafiles: { MANIFEST: undefined },
        entries: [{ path: `${FOLDER}MANIFEST`, typeFlag: '2', link: '/etc/passwd' }],
      }),
    /MANIFEST is malformed: it is a symlink/,
  ],
]

test('hostile archives', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  for (const [what, payload, message] of hostile) {
    await t.test(`refuses ${what}`, async (u) => {
      await u.rejects(scanner.scan(savePayload(u.testdir(), payload()), 0, ANYONE), {
        name: 'DepotError',
        code: 'hart_malformed',
        message,
      })
    })
  }
  await t.test('scans work after refusals', async (u) => {
    u.equal((await scanner.scan(savePayload(u.testdir(), payloadOf({})), 0, ANYONE)).ident.name, 'app')
  })
})

test('a metafile repeated directly after the last of the metadata is refused', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  const list = `HART-1\nacme-20260101000000\nBLAKE2b\nsignature\n\n${'0'.repeat(64)}  /${FOLDER}IDENT\n`
  const payload = payloadOf({
    metafiles: { MANIFEST: undefined },
    entries: [
      { path: `${FOLDER}FILES`, content: list },
      { path: `${FOLDER}MANIFEST`, content: '# all that is needed\n' },
      { path: `${FOLDER}IDENT`, content: 'acme/other/1.0.0/20260101120000\n' },
    ],
  })
  await t.rejects(scanner.scan(savePayload(t.testdir(), payload), 0, ANYONE), {
    code: 'hart_malformed',
    message: /metafile IDENT .* twice/,
  })
})

test('a scan that takes too long is ended, and the next one uses another thread', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1, timeoutMs: 1 })
  t.teardown(() => scanner.close())
  const slow = scanner.scan(
    savePayload(
      t.testdir(),
      followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}FILES`, declaredBytes: 192 * MIB }])), 3),
    ),
    0,
    ANYONE,
  )
  await t.rejects(slow, { code: 'hart_malformed', message: /took longer than/ })
  const patient = new ArchiveScanner({ workers: 1 })
  t.teardown(() => patient.close())
  t.equal(
    (await patient.scan(savePayload(t.testdir(), payloadOf({ entries: [LAST_MEMBER] })), 0, ANYONE)).ident
      .name,
    'app',
  )
})

test('a queue takes turns among keys that may run', (t) => {
  const queue = new Turns<string>()
  for (const [key, item] of [
    [1, 'a1'],
    [1, 'a2'],
    [1, 'a3'],
    [2, 'b1'],
    [3, 'c1'],
    [3, 'c2'],
  ] as const)
    queue.push(key, item)
  t.strictSame([queue.length, queue.lengthOf(1), queue.lengthOf(4)], [6, 3, 0])
  t.equal(
    queue.shift((key) => key === 3),
    'c1',
  )
  t.equal(
    queue.shift((key) => key === 4),
    undefined,
  )
  t.strictSame(
    Array.from({ length: 6 }, () => queue.shift()),
    ['a1', 'b1', 'c2', 'a2', 'a3', undefined],
  )
  t.equal(queue.length, 0)
  t.end()
})

test('scans beyond the limits of an account or of all are refused in advance', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1, maxWaiting: 3, maxWaitingPerAccount: 2 })
  const path = savePayload(t.testdir(), payloadOf({}))
  const outcomes = Promise.allSettled([1, 1, 1, 2].map((account) => scanner.scan(path, 0, account)))
  const busy = { name: 'DepotError', code: 'overloaded', retryAfterSeconds: 10 }
  t.throws(() => scanner.expectRoom(1), { ...busy, message: /2 packages of this account wait/ })
  await t.rejects(scanner.scan(path, 0, 1), busy)
  t.doesNotThrow(() => scanner.expectRoom(2))
  const last = scanner.scan(path, 0, 3)
  t.throws(() => scanner.expectRoom(2), { ...busy, message: /3 packages wait/ })
  t.match(
    await outcomes,
    Array.from({ length: 4 }, () => ({ status: 'fulfilled' })),
  )
  await last
  t.doesNotThrow(() => scanner.expectRoom(1))
  await scanner.close()
})

test('closing ends running and waiting scans, and refuses new ones', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  const path = savePayload(t.testdir(), payloadOf({}))
  const scans = [scanner.scan(path, 0, ANYONE), scanner.scan(path, 0, ANYONE), scanner.scan(path, 0, ANYONE)]
  const outcomes = Promise.allSettled(scans)
  await scanner.close()
  for (const outcome of await outcomes)
    t.match(outcome, { status: 'rejected', reason: { code: 'shutting_down' } })
  await t.rejects(scanner.scan(path, 0, ANYONE), { code: 'shutting_down' })
  await scanner.close()
})

test('an absent file is not a refusal of the package', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  await t.rejects(scanner.scan(join(t.testdir(), 'absent'), 0, ANYONE), { code: 'ENOENT' })
})
