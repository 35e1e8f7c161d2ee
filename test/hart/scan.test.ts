import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { signHart } from '../../src/hart/pack.ts'
import { ArchiveScanner } from '../../src/hart/scan.ts'
import { buildHart, buildTar, buildXz, makeKeys } from '../support/build-hart.ts'
import type { BuildHartOptions } from '../support/build-hart.ts'

const MIB = 1024 * 1024
const FOLDER = 'hab/pkgs/acme/app/1.0.0/20260101120000/'
const ZEROS = readFileSync(new URL('../fixtures/xz/zeros-64MiB.xz', import.meta.url))
const LAST_MEMBER = { path: `${FOLDER}bin/app`, content: '#!/bin/sh\n' }

/** A payload in a file of its own, behind nothing. */
function saved(folder: string, payload: Buffer): string {
  const path = join(folder, 'payload.tar.xz')
  writeFileSync(path, payload)
  return path
}

function payloadOf(options: BuildHartOptions): Buffer {
  const { bytes } = buildHart(options)
  return bytes.subarray(signHart(Buffer.alloc(0), makeKeys('acme').secretKey).length)
}

/** An archive that begins with `start`, without the end that the packer gives it, and goes on with zeros. */
function followedByZeros(start: Buffer, times: number): Buffer {
  return Buffer.concat([buildXz(start), ...Array.from({ length: times }, () => ZEROS)])
}

function withoutEnd(tar: Buffer): Buffer {
  return tar.subarray(0, -1024)
}

test('reads many archives at once, each to its own', async (t) => {
  const scanner = new ArchiveScanner()
  t.teardown(() => scanner.close())
  const folder = t.testdir()
  const scans = Array.from({ length: 20 }, (_, i) => {
    const path = join(folder, `${i}.xz`)
    writeFileSync(path, payloadOf({ ident: `acme/app/1.0.${i}/20260101120000` }))
    return scanner.scan(path, 0)
  })
  t.strictSame((await Promise.all(scans)).map(({ ident }) => ident.version), Array.from({ length: 20 }, (_, i) => `1.0.${i}`))
})

test('does not unpack what comes after the last of the metadata', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  const all = { deps: ['core/a/1/2'], tdeps: ['core/a/1/2'], buildDeps: ['core/a/1/2'], buildTdeps: ['core/a/1/2'], exposes: [80], config: 'a = 1', svcUser: 'hab', svcGroup: 'hab' }
  const payload = payloadOf({ ...all, packageType: 'standard', entries: [{ path: `${FOLDER}rubbish`, typeFlag: '?', content: 'x'.repeat(MIB) }] })
  t.equal((await scanner.scan(saved(t.testdir(), payload), 0)).svcGroup, 'hab')
  // With one metafile less, the same archive is read on to what it may not hold.
  const { svcGroup: _, ...less } = all
  const longer = payloadOf({ ...less, entries: [{ path: `${FOLDER}rubbish`, typeFlag: '?', content: 'x'.repeat(MIB) }] })
  await t.rejects(scanner.scan(saved(t.testdir(), longer), 0), { code: 'hart_malformed', message: /unknown type/ })
})

const hostile: [string, () => Buffer, RegExp][] = [
  [
    'a bomb: 320 MiB in 50 KB',
    () => followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}blob`, declaredBytes: 320 * MIB }])), 5),
    /archive of 50\d+ bytes unpacks to more than 28\d{7}$/,
  ],
  [
    'a bomb of 60 GiB',
    () => followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}blob`, declaredBytes: 60 * 1024 * MIB }])), 960),
    /unpacks to more than/,
  ],
  [
    'a MANIFEST of 2 GiB',
    () => followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}MANIFEST`, declaredBytes: 2048 * MIB }])), 2),
    /metafile MANIFEST is malformed: it has 2147483648 bytes/,
  ],
  ['a long name of 2 GiB', () => followedByZeros(withoutEnd(buildTar([{ path: 'L', typeFlag: 'L', declaredBytes: 2048 * MIB }])), 2), /2147483648 bytes long/],
  ['a file that never ends', () => followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}x`, declaredBytes: 2 ** 40 }])), 1), /ends in the middle/],
  ['nothing but zeros', () => ZEROS, /metafile IDENT .* not in the archive/],
  ['an archive of nothing', () => buildXz(), /ends in the middle/],
  ['an entry that leaves the package', () => payloadOf({ entries: [{ path: `${FOLDER}../x` }] }), /has a part ".."/],
  ['an absolute path', () => payloadOf({ entries: [{ path: '/etc/passwd' }] }), /outside of the folder/],
  ['a device', () => payloadOf({ entries: [{ path: `${FOLDER}null`, typeFlag: '3' }] }), /is a device/],
  ['a MANIFEST that is a link', () => payloadOf({ metafiles: { MANIFEST: undefined }, entries: [{ path: `${FOLDER}MANIFEST`, typeFlag: '2', link: '/etc/passwd' }] }), /MANIFEST is malformed: it is a symlink/],
]

test('hostile archives', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  for (const [what, payload, message] of hostile) {
    await t.test(`refuses ${what}`, async (u) => {
      await u.rejects(scanner.scan(saved(u.testdir(), payload()), 0), { name: 'DepotError', code: 'hart_malformed', message })
    })
  }
  await t.test('and reads on afterwards', async (u) => {
    u.equal((await scanner.scan(saved(u.testdir(), payloadOf({})), 0)).ident.name, 'app')
  })
})

test('memory grows by less than 64 MB, however much is unpacked', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  // Most of what an archive of this size may unpack to, twice.
  const path = saved(t.testdir(), Buffer.concat([
    buildXz(withoutEnd(buildTar([{ path: `${FOLDER}blob`, declaredBytes: 192 * MIB }]))),
    ZEROS, ZEROS, ZEROS,
    payloadOf({ metafiles: {} }),
  ]))
  const before = process.memoryUsage.rss()
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5)
  t.teardown(() => clearInterval(watch))
  for (let i = 0; i < 2; i += 1) t.equal((await scanner.scan(path, 0)).ident.name, 'app')
  t.ok(most - before < 64_000_000, `grew by ${most - before} bytes`)
})

test('a scan that takes too long is ended, and the next one has another thread', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1, timeoutMs: 1 })
  t.teardown(() => scanner.close())
  const slow = scanner.scan(saved(t.testdir(), followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}x`, declaredBytes: 192 * MIB }])), 3)), 0)
  await t.rejects(slow, { code: 'hart_malformed', message: /took longer than/ })
  const patient = new ArchiveScanner({ workers: 1 })
  t.teardown(() => patient.close())
  t.equal((await patient.scan(saved(t.testdir(), payloadOf({ entries: [LAST_MEMBER] })), 0)).ident.name, 'app')
})

test('closing ends what runs and what waits, and refuses what comes after', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  const path = saved(t.testdir(), payloadOf({}))
  const scans = [scanner.scan(path, 0), scanner.scan(path, 0), scanner.scan(path, 0)]
  const outcomes = Promise.allSettled(scans)
  await scanner.close()
  for (const outcome of await outcomes) t.match(outcome, { status: 'rejected', reason: { code: 'shutting_down' } })
  await t.rejects(scanner.scan(path, 0), { code: 'shutting_down' })
  await scanner.close()
})

test('a file that is not there is no refusal', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  await t.rejects(scanner.scan(join(t.testdir(), 'absent'), 0), { code: 'ENOENT' })
})
