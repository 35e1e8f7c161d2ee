import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ArchiveScanner } from '../../src/hart/scan.ts'
import { buildTar, buildXz, joinXz } from '../support/build-hart.ts'
import type { Entry } from '../support/build-hart.ts'
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

test('memory grows by less than 64 MB, however much is unpacked', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  // Twice most of what an archive of this size may unpack to. The content of FILES is read, so its blocks are
  // not skipped.
  const path = savePayload(
    t.testdir(),
    joinXz(
      buildXz(withoutEnd(buildTar([{ path: `${FOLDER}FILES`, declaredBytes: 192 * MIB }]))),
      ZEROS,
      ZEROS,
      ZEROS,
      payloadOf({ metafiles: {} }),
    ),
  )
  const before = process.memoryUsage.rss()
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 5)
  t.teardown(() => clearInterval(watch))
  for (let i = 0; i < 2; i += 1) t.equal((await scanner.scan(path, 0, ANYONE)).ident.name, 'app')
  t.ok(most - before < 64_000_000, `grew by ${most - before} bytes`)
})

/**
 * Returns a function that builds an archive with IDENT in its first block, 17 MiB that no reader accepts, and
 * `last` in the middle of its last block.
 */
function splitPayload(): (last: readonly Entry[]) => Buffer {
  const first = withoutEnd(buildTar([{ path: `${FOLDER}IDENT`, content: 'acme/app/1.0.0/20260101120000\n' }]))
  const rubbish = { path: `${FOLDER}rubbish`, typeFlag: '?', content: Buffer.alloc(21 * MIB, 'x') }
  const middle = withoutEnd(buildTar([rubbish]))
  const cut = middle.length - 4 * MIB - 700
  const blocks = [buildXz(first), buildXz(middle.subarray(0, cut))]
  return (last) => joinXz(...blocks, buildXz(middle.subarray(cut), buildTar(last)))
}

/** Builds a FILES that lists these members. */
function listOf(...names: string[]): Entry {
  return {
    path: `${FOLDER}FILES`,
    content: `HART-1\nkey\nBLAKE2b\nsignature\n\n${names.map((name) => `${'0'.repeat(64)}  /${FOLDER}${name}\n`).join('')}`,
  }
}

test('blocks between the first and the last are decoded only if metafiles are missing', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  const payloadWith = splitPayload()
  const scan = (last: readonly Entry[]) =>
    scanner.scan(savePayload(t.testdir(), payloadWith(last)), 0, ANYONE)
  const target = { path: `${FOLDER}TARGET`, content: 'x86_64-linux\n' }
  const manifest = { path: `${FOLDER}MANIFEST`, content: '# acme / app' }
  const deps = { path: `${FOLDER}DEPS`, content: 'core/a/1/2\n' }
  const all = listOf('IDENT', 'TARGET', 'DEPS')
  t.match(await scan([target, deps, all, manifest]), {
    ident: { name: 'app', version: '1.0.0' },
    target: 'x86_64-linux',
    deps: [{ origin: 'core', name: 'a' }],
  })
  const refused = { code: 'hart_malformed', message: /unknown type/ }
  for (const [last, what] of [
    [[target, all, manifest], 'a listed metafile may be in between'],
    [[target, deps, manifest], 'without a list, any metafile may be'],
    [
      [{ ...target, path: 'hab/pkgs/acme/other/1/2/TARGET' }, deps, all, manifest],
      'TARGET is of another package',
    ],
    [
      [deps, target, { ...deps, path: '/etc/passwd' }, all, manifest],
      'reading it as it is tells what is wrong',
    ],
  ] as const) {
    await t.rejects(scan(last), refused, what)
  }
})

test('packages of other accounts are scanned before all of an account with many', async (t) => {
  const scanner = new ArchiveScanner({ workers: 1 })
  t.teardown(() => scanner.close())
  const folder = t.testdir()
  const bomb = savePayload(
    folder,
    followedByZeros(withoutEnd(buildTar([{ path: `${FOLDER}FILES`, declaredBytes: 192 * MIB }])), 3),
  )
  const path = join(folder, 'good.xz')
  writeFileSync(path, payloadOf({}))
  const ended: string[] = []
  const bombs = Array.from({ length: 60 }, () => scanner.scan(bomb, 0, 1).catch(() => ended.push('bomb')))
  const scans = [2, 3].flatMap((account) =>
    [1, 2].map(() => scanner.scan(path, 0, account).then(() => ended.push('good'))),
  )
  await Promise.all(scans)
  t.ok(ended.filter((what) => what === 'bomb').length < 20, ended.join())
  await scanner.close()
  await Promise.all(bombs)
})
